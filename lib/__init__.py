"""The pipeline's library: from Tuya logs to typed rows, energy, figures and numbers.

Belongs here: everything that decides. Does not belong here: Dagster (`orchestration/`),
notebooks (`notebooks/`) and prose (`tcc/`). Importing this package does nothing.
"""

__version__ = "0.1.0"
