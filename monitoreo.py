"""The whole job, as the stadium starts it: ``python monitoreo.py`` is ``aforo run``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from aforo.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
