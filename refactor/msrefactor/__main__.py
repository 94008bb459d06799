"""`python -m msrefactor` is the same as `msrefactor`."""

import sys

from msrefactor.cli import main

sys.exit(main())
