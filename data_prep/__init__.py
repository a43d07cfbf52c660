"""Text to tokens on disk: `python -m data_prep`."""
