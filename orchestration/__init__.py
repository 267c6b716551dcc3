"""Dagster's wiring of the pipeline: assets, checks, schedules and resources.

Belongs here: five-line assets that call `lib/`. Does not belong here: anything that decides,
nor anything at import time of this package.
"""
