"""Fixtures for the tests of the service."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def open_to_others(tmp_path: Path) -> Callable[[], None]:
    """Let other users enter the test's folder, which pytest makes private."""

    def open_folders() -> None:
        for one in (tmp_path, *tmp_path.parents):
            if one.stat().st_uid == os.getuid() and one.stat().st_mode & 0o011 != 0o011:
                one.chmod(one.stat().st_mode | 0o011)

    return open_folders
