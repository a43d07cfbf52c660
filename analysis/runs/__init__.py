"""Saved runs and journals on disk."""
