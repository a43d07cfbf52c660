"""What tells the energy between two moments, a file a meter."""
