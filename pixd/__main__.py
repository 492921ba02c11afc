"""`python -m pixd` is `pixd`."""

import sys

from pixd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
