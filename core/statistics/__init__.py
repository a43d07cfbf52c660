"""Intervals and tests that hold for figures of any room."""
