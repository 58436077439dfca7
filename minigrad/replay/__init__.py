"""Replay: a recorded graph is printed as straight-line NumPy with reused buffers and run again on new inputs.

`capture` records a function, `lines` lists its operations, `passes` simplify them, `stages` order them,
`program` prints them. Users call `compiled`, optimizers ask `closures`.
"""
