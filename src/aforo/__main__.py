"""``python -m aforo`` is the command ``aforo``."""

import sys

from aforo.cli import main

sys.exit(main())
