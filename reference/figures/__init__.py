"""The figures that README.md and docs/ take from the reference runs: `python -m reference.figures`."""
