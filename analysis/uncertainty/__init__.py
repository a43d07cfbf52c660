"""How sure a figure is: intervals, components of variance, the noise floor, the interval of a repeat."""
