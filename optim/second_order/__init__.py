"""Methods that evaluate f at more than one point: Newton, Newton-CG and L-BFGS, and their parts."""
