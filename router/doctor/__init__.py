"""`router doctor`: whether this machine, the settings and everything that they reach are fit for a router."""
