"""Fixtures for the tests of the log."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The log file, with the name that it has at the stadium."""
    return tmp_path / "Monitoreo nemesio camacho.log"
