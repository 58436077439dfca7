"""What the curvature of a loss is like, and how noisy its gradient is."""
