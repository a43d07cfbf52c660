"""Measured runs at rest: an archive a host, `results/reference/HOST.tar.xz`, with digests of all that is in it."""
