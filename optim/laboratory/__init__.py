"""The lab: one offline page in which recorded losses, their derivatives and update rules run as JavaScript."""
