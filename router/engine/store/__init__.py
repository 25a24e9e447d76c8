"""What the router remembers. `base` is the contract, `sqlite` keeps it."""
