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
before = ["", *arguments]
chosen = [one for flag, one in zip(before, arguments, strict=False) if not flag.startswith("--")]
if not any(Path(one.partition("::")[0]).exists() for one in chosen):
    arguments.insert(0, str(Path(__file__).parent))
sys.exit(pytest.main(arguments))
