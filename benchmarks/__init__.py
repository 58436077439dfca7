"""Comparisons with the peers. `benchmarks/README.md` lists them; one is `python -m benchmarks.training`."""
