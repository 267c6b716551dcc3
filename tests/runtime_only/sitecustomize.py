"""Hide packages from a process and all it starts, as if they were not installed."""

import os
import sys

for name in os.environ.get("TCC_HIDDEN_PACKAGES", "").split():
    sys.modules[name] = None  # type: ignore[assignment]
