"""A declarative event router for Tangled. Sources listen, core decides, engine remembers and acts, the spindle tells."""

__version__ = "0.1.0"
