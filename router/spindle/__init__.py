"""What makes the router a Tangled spindle: whose repos are ours, what their triggers ask for, and what is told of it."""
