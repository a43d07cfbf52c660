"""Scores every precision once, and compares what was timed with what was scored."""
