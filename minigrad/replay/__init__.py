"""The fourth verb: a recorded graph printed as straight-line NumPy with reused buffers, and run again on new inputs."""
