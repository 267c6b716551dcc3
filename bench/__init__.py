"""Benchmarks: each is a command of its own and ends with 1 where a limit is missed.

Belongs here: measuring what the project claims, against the stand-in and against others. Does
not belong here: tests (`tests/`), anything that the pipeline needs.
"""
