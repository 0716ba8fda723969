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
if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
    arguments.insert(0, str(Path(__file__).parent))
sys.exit(pytest.main(arguments))
