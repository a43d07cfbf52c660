"""What every room needs, and what knows none of them: cases, metrics, errors, guards, files, statistics."""
