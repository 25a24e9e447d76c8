"""The HTTP that an operator's tools speak to."""
