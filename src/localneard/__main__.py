"""``python -m localneard``."""

import sys

from localneard.cli import main

if __name__ == "__main__":
    sys.exit(main())
