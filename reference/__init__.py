"""How the reference is measured and its figures made: archives of runs, the commands, and what pages take from them."""
