"""Side by side with the peers: `python -m benchmarks.training` and the others in `benchmarks/README.md`."""
