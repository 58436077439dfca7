"""The common base of optimizers: checked options, parameters as vectors, saving, and the steps of a rule."""
