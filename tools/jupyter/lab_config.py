"""How `make lab` serves JupyterLab: to this computer, behind a token, silent to the world.

Belongs here: settings of the server; overrides.json beside it has those of the page. Does not
belong here: looks, which are each person's own. LAB_FLAGS of the Makefile goes before these.
"""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent

c = get_config()  # noqa: F821 (traitlets gives it)

# The token is a new one at each start and is printed with the address.
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.root_dir = str(HERE.parents[1])
c.LabApp.default_url = "/lab/tree/notebooks/90_explore.ipynb"

# JupyterLab refuses root, because who has the token has the machine. Where root is the only
# user, as in a container, that is the person's choice; by sudo it is a slip, and still refused.
c.ServerApp.allow_root = os.geteuid() == 0 and "SUDO_USER" not in os.environ

# The kernel is the interpreter that serves, with lib/ and the packages of uv.lock; kernels that
# other programs installed for this user have neither.
c.KernelSpecManager.allowed_kernelspecs = {"python3"}

# Nothing is asked of the network: no news, no new version, no catalogue of extensions.
c.LabApp.app_settings_dir = str(HERE)
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
