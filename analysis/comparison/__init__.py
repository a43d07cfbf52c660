"""Saved runs against each other."""
