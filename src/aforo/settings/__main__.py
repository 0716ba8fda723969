"""Print ``docs/ajustes.md``."""

import sys

from aforo.settings.docs import page

sys.stdout.buffer.write(page().encode())
