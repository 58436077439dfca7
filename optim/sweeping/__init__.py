"""Training at every combination of some settings, and what the runs say."""
