"""The machine and its state: what a figure belongs to, and whether it can be trusted."""
