"""The lab: one offline page in which recorded losses, derivatives and update rules run as JavaScript."""
