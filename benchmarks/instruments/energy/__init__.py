"""Energy of a forward."""
