"""`python -m msrefactor` is the same as `msrefactor`."""

import os
import sys

# Python puts the current folder first where modules are looked for. It is the project's, and a `yaml.py` in
# it is none of ours.
if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - pathlib takes time
    del sys.path[0]

from msrefactor.cli import main

sys.exit(main())
