"""``python -m graphad`` is the command ``graphad``."""

import sys

from graphad.cli import main

if __name__ == "__main__":
    sys.exit(main())
