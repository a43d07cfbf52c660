"""How far a repeat of a session may differ, and what says so."""
