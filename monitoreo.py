"""The whole job, as the stadium starts it: ``python monitoreo.py`` is ``aforo run``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from aforo.cli import main
from aforo.cli.working_folder import enter_folder

if __name__ == "__main__":
    sys.exit(main(["run", *enter_folder(Path(__file__), sys.argv[1:])]))
