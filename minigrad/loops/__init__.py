"""Captured lines as loops over numbers, for languages without arrays: lines → nests → text."""
