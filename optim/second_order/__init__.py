"""Methods that look at f from more than one point: Newton, Newton-CG and L-BFGS, and the parts they are made of."""
