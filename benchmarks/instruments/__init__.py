"""Measuring code that knows no pytest."""
