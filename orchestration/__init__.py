"""Dagster's wiring of the pipeline: assets, checks, schedules and resources.

Belongs here: assets of a few lines that call `lib/`, and how Dagster shows them. Does not belong
here: anything that decides about data, nor anything at import time of this package.
"""
