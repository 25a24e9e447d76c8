"""The bundled providers, guests of the router like anybody's: reached by entry point, never imported by it."""
