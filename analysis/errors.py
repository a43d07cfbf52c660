"""What is told to a user in one sentence."""

from __future__ import annotations


class ResultsError(Exception):
    """Saved runs or an output folder are not what was asked for; the message says what to do."""
