"""Side by side with the peers: `python -m benchmarks.training` and `python -m benchmarks.startup`."""
