"""The account of the service: what it may not read or write."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aforo.os_service.os_account import Account


@pytest.mark.skipif(os.name == "nt", reason="mode bits mean nothing on Windows")
def test_missing_permissions_are_found(tmp_path: Path, open_to_others: Callable[[], None]) -> None:
    secret, folder = tmp_path / ".env", tmp_path / "actas"
    secret.write_text("x")
    folder.mkdir()
    stranger = Account("otra", os.getuid() + 1, frozenset())
    open_to_others()
    for file_mode, folder_mode, lacks in (
        (0o600, 0o755, [f"leer {secret}", f"escribir en {folder}"]),
        (0o644, 0o777, []),
        (0o604, 0o776, [f"escribir en {folder}"]),
    ):
        secret.chmod(file_mode)
        folder.chmod(folder_mode)
        assert stranger.lacks([secret, tmp_path / "no está"], [folder]) == lacks
    secret.chmod(0o640)
    assert Account("grupo", os.getuid() + 1, frozenset({secret.stat().st_gid})).lacks([secret], []) == []
    assert Account("root", 0, frozenset()).lacks([secret], [folder]) == []
