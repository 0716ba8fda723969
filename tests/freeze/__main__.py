"""``python -m tests.freeze [--write] [pytest arguments]``: compare with the snapshots, or write them anew."""

import os
import sys
from pathlib import Path

import pytest
from tests.freeze.golden import WRITE

arguments = sys.argv[1:]
if "--write" in arguments:
    arguments.remove("--write")
    os.environ[WRITE] = "1"
sys.exit(pytest.main([str(Path(__file__).parent), *arguments]))
