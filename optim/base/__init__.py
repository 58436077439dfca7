"""What every optimizer stands on: checked options, parameters as vectors, saving, and the steps of a rule."""
