"""``aforo service``: the systemd unit, the calls of systemctl, and those of Windows."""

import getpass
import json
import os
import re
from pathlib import Path

import pytest
from tests.freeze.golden import check, masked
from tests.freeze.harness import systemd_service, windows_commands, windows_state
from tests.freeze.processes import aforo, transcript

LINUX = pytest.mark.skipif(os.name == "nt", reason="systemd is Linux's")
VARYING = ((r"ProtectHome=(yes|read-only)", "ProtectHome=<by the folder>"),)
ANSWER = """
SERVICE_NAME: aforo
        TYPE               : 10  WIN32_OWN_PROCESS
        STATE              : {}
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
"""


@LINUX
def test_units(tmp_path: Path) -> None:
    """The unit with all that can be given, and with nothing."""
    folder, credentials = tmp_path / "sala 100%", tmp_path / "secretos"
    folder.mkdir()
    credentials.mkdir()
    for name in ("acc.password", "acc.user_key", "database.odbc", "LEAME"):
        (credentials / name).write_text("un-secreto-de-prueba")
    (folder / "otro.toml").write_text("")
    lines = (
        ["--user", "aforo"],
        ["--user", "aforo", "--name", "sala", "--credentials", str(credentials), "--config", "otro.toml"],
    )
    settings = {
        "AFORO_DATABASE__URL": "sqlite:////srv/datos/aforo.db",
        "AFORO_REPORT__FOLDER": "/srv/actas del estadio",
    }
    parts = []
    for more, given in ((lines[0], {}), (lines[1], {}), (lines[0], settings)):
        done = aforo(folder, "service", "install", "--print", *more, settings=given)
        parts.append(transcript(done, f"service install --print {' '.join(more)}"))
    percent = Path(str(folder).replace("%", "%%"))
    paths = [(percent, "<folder 100%%>"), (folder, "<folder>"), (credentials, "<credentials>")]
    check("service/units.txt", masked("\n".join(parts), paths, VARYING))


@LINUX
def test_systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Install, status in each state, uninstall: how systemctl is called and what the operator reads."""
    asked, answer, systemctl = tmp_path / "asked", tmp_path / "answer", tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\n[ "$1" = show ] && cat "{answer}"\nexit 0\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    parts = [f"install: {systemd_service('install', tmp_path, user=getpass.getuser())}"]
    for state in ("active", "activating", "inactive", "failed", "none"):
        loaded = "not-found" if state == "none" else "loaded"
        answer.write_text(f"LoadState={loaded}\nActiveState={state}\nStatusText=Esperando\nNRestarts=2\nResult=x\n")
        parts.append(f"status, {state}: {systemd_service('status', tmp_path)}")
    parts.append(f"uninstall: {systemd_service('uninstall', tmp_path)}")
    written = capsys.readouterr().out
    text = "\n".join(["[exit codes]", *parts, "[stdout]", written, "[systemctl]", asked.read_text()])
    check("service/systemctl.txt", masked(text, [(tmp_path, "<units>")]))


def test_windows() -> None:
    """Every command that makes, starts and takes away the service, and what is printed for each state."""
    folder, python = r"C:\Sala de control", r"C:\aforo\.venv\Scripts\python.exe"
    plain = windows_commands(folder, python)
    more = windows_commands(folder, python, account=r"DOMINIO\aforo", config=r"C:\Sala de control\otro.toml")
    parts = [json.dumps(command, ensure_ascii=False) for command in (*plain, *more)]
    for state in ("1  STOPPED", "2  START_PENDING", "3  STOP_PENDING", "4  RUNNING", "7  PAUSED", "9  X"):
        parts.append(f"{state}: {windows_state(ANSWER.format(state))}")
    # The module behind the service is not frozen; that it gets the name and the folder is.
    check("service/windows.txt", re.sub(r"-m aforo\S*", "-m <module>", "\n".join(parts)))
