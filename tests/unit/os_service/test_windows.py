"""The Windows service: the commands of sc.exe, and its answers."""

import os
from pathlib import Path

import pytest

from aforo.errors import BadCommand
from aforo.os_service import windows


def test_the_commands_that_make_and_remove_it() -> None:
    folder, python = Path(r"C:\Sala de control"), Path(r"C:\aforo\.venv\Scripts\python.exe")
    create, *others = windows.create_commands(windows.Plan("aforo", folder, python=python))
    assert create[:5] == [
        "sc.exe",
        "create",
        "aforo",
        "binPath=",
        r'C:\aforo\.venv\Scripts\python.exe -m aforo.cli.windows_host aforo "C:\Sala de control"',
    ]
    assert create[5:9] == ["start=", "delayed-auto", "obj=", r"NT AUTHORITY\LocalService"]
    assert [command[1] for command in others] == ["description", "failure", "failureflag", "start"]
    assert [command[1] for command in windows.delete_commands("aforo")] == ["stop", "delete"]


RUNNING = """
SERVICE_NAME: aforo
        TYPE               : 10  WIN32_OWN_PROCESS
        STATE              : 4  RUNNING
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
"""


def test_the_state_in_two_languages() -> None:
    spanish = RUNNING.replace("TYPE ", "TIPO ").replace("STATE ", "ESTADO").replace("SERVICE_NAME", "NOMBRE_SERVICIO")
    for answer in (RUNNING, spanish):
        assert windows.parse_state("aforo", answer) == ("aforo: en marcha.", True)
    stopped = RUNNING.replace("4  RUNNING", "1  STOPPED")
    assert windows.parse_state("aforo", stopped) == ("aforo: parado.", False)


@pytest.mark.skipif(os.name == "nt", reason="there it is")
def test_without_windows_it_is_an_error() -> None:
    with pytest.raises(BadCommand, match=r"no hay sc\.exe"):
        windows.status("aforo")
