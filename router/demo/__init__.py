"""The embedded network: the peers of a router, small and as strict as the real ones, on loopback.

`router demo` runs the real router against it, and the end-to-end tests run it in a process of its own
(`python -m router.demo --print-addresses`). It is a network to try rules on, not a Tangled: nothing in it is a git repo.
"""
