"""``python -m aforo.reporting``: the process that renders one event report."""

import sys

from aforo.reporting.renderer_process import main

sys.exit(main())
