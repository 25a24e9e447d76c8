"""The part that decides and never acts: no sockets, files, clock, environment, randomness or logging."""
