"""Saved runs to tables. Reads JSON alone; imports no torch."""
