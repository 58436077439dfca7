"""The ground of every optimizer: checked options, parameters as vectors, saving, and the steps of a rule."""
