"""What the units of a GPU do while a case runs."""
