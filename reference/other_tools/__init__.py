"""The same work by other tools: scripts that print figures to set beside this suite's."""
