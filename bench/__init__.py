"""What the program costs, measured in one run on one machine: see README.md here."""

import sys
from pathlib import Path

# The program as it stands beside this folder is measured, not one that may be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
