"""A peer that answers as a test says."""

from tests.providers.conftest import peer

__all__ = ["peer"]
