"""The part that listens: one module for each kind of source."""
