"""``python -m hafailover.guard SETTINGS_JSON``."""

import sys

from hafailover.guard.main import main

sys.exit(main())
