"""pytest glue: each plugin brings one part of a session to pytest, and does no arithmetic."""
