"""Print ``docs/ajustes.md``."""

import sys

from aforo.settings.reference import page

sys.stdout.buffer.write(page().encode())
