"""The Windows service's process, as far as Linux allows: pywin32 is stood in for, all behind it is real."""

import importlib
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.e2e.harness import stadium

pytestmark = pytest.mark.e2e


class Framework:
    """What pywin32 gives a service, as its documentation has it."""

    def __init__(self, args: list[str]) -> None:
        self.reported: list[int] = []

    def ReportServiceStatus(self, status: int, waitHint: int = 0) -> None:  # noqa: N802, N803
        self.reported.append(status)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    logged: list[str] = []
    names: dict[str, dict[str, Any]] = {
        "servicemanager": {"LogErrorMsg": logged.append},
        "win32service": {"SERVICE_STOP_PENDING": 3, "SERVICE_RUNNING": 4},
        "win32serviceutil": {"ServiceFramework": Framework},
    }
    for name, content in names.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "aforo.cli.windows_host", raising=False)
    module = importlib.import_module("aforo.cli.windows_host")
    vars(module)["logged_errors"] = logged
    return module


def test_it_counts_until_windows_stops_it(host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--cameras", "5", "--events", "400", "--seed", "12")
    with stadium(tmp_path, before=timedelta(minutes=5), after=timedelta(seconds=-1), options=options) as site:
        for name, value in (site.environment | {"AFORO_MONITOR__GRACE": "1"}).items():
            if name.startswith("AFORO_"):
                monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        service = host.Host([])
        thread = threading.Thread(target=service.SvcDoRun)  # as the dispatcher does: not the main thread
        thread.start()
        until = time.monotonic() + 60
        while "diferencia 0" not in _log(tmp_path) and time.monotonic() < until:
            time.sleep(0.1)
        service.SvcStop()
        thread.join(timeout=30)
        assert not thread.is_alive()
        site.check_against_truth()
    assert service.reported == [4, 3]
    assert host.logged_errors == []


def test_settings_that_cannot_be_used_end_it_as_a_failure(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    host.Host([]).SvcDoRun()
    assert ended == [2]
    assert "Falta el ajuste acc.url" in host.logged_errors[0]


def _log(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.log"))
