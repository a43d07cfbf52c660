"""What the sessions of the reference say of their own spread and of the intervals."""
