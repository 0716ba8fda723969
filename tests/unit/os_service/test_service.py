"""The service: what systemd reads in the unit and hears on its socket; what Windows is told."""

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aforo import os_service
from aforo.errors import BadCommand
from aforo.os_service import Wish, systemd, windows
from aforo.os_service.os_account import Account
from aforo.os_service.sd_notify import Notifier, notifying

ANALYZE = shutil.which("systemd-analyze")
SYSTEMD = Path("/usr/lib/systemd/systemd")
LINUX = pytest.mark.skipif(os.name == "nt", reason="systemd is Linux's; there, this would make a real service")


def open_to_others(folder: Path) -> None:
    """pytest closes its folders to all but who runs it."""
    for one in (folder, *folder.parents):
        if one.stat().st_uid == os.getuid() and one.stat().st_mode & 0o011 != 0o011:
            one.chmod(one.stat().st_mode | 0o011)


@pytest.fixture
def plan(tmp_path: Path) -> systemd.Plan:
    folder, credentials = tmp_path / "sala de control 100%", tmp_path / "secretos"
    folder.mkdir()
    credentials.mkdir()
    for name in ("acc.password", "acc.user_key", "database.odbc"):
        (credentials / name).write_text("un-secreto-de-prueba")
    (credentials / "LEAME").write_text("no es un ajuste")
    return systemd.Plan("aforo", folder, "root", credentials)


def test_the_unit_holds_no_secret_and_names_each_credential(plan: systemd.Plan) -> None:
    text = systemd.unit_text(plan)
    assert "un-secreto-de-prueba" not in text
    loaded = [line for line in text.splitlines() if line.startswith("LoadCredential=")]
    assert [line.partition(":")[0] for line in loaded] == [
        "LoadCredential=acc.password",
        "LoadCredential=acc.user_key",
        "LoadCredential=database.odbc",
    ]
    assert "LEAME" not in text
    assert "WorkingDirectory=" in text
    assert "100%%" in text, "a % means something to systemd"


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here")
def test_systemd_itself_takes_the_unit(plan: systemd.Plan, tmp_path: Path) -> None:
    for name, one in {"aforo": plan, "bare": replace(plan, credentials=None, config=tmp_path / "a b.toml")}.items():
        unit = tmp_path / f"{name}.service"
        unit.write_text(systemd.unit_text(one), encoding="utf-8")
        done = subprocess.run([str(ANALYZE), "verify", str(unit)], capture_output=True, text=True, check=False)
        complaints = [line for line in done.stderr.splitlines() if unit.name in line]
        assert (done.returncode, complaints) == (0, []), done.stderr
    weak = tmp_path / "weak.service"
    weak.write_text(systemd.unit_text(plan).replace("Type=notify", "Type=wish"), encoding="utf-8")
    told = subprocess.run([str(ANALYZE), "verify", str(weak)], capture_output=True, text=True, check=False).stderr
    assert "weak.service" in told, "the verification sees what is wrong"


@pytest.mark.skipif(not SYSTEMD.exists(), reason="no systemd here")
def test_systemd_reads_each_path_as_it_is(plan: systemd.Plan, tmp_path: Path) -> None:
    """What it understood, in its own dump: blanks and % in paths are where units go wrong."""
    units = tmp_path / "units"
    units.mkdir()
    one = replace(plan, writable=(Path("/srv/actas del estadio"),))
    (units / "sala.service").write_text(systemd.unit_text(one), encoding="utf-8")
    runtime = tmp_path / "run"
    runtime.mkdir()
    runtime.chmod(0o777)
    open_to_others(tmp_path)
    environ = {"SYSTEMD_UNIT_PATH": f"{units}:", "XDG_RUNTIME_DIR": str(runtime), "PATH": os.environ["PATH"]}
    command = [str(SYSTEMD), "--test", "--user", "--unit=sala.service", "--log-level=info"]
    user = 65534 if os.getuid() == 0 else None  # it dumps nothing to root
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, user=user)
    said = done.stdout + done.stderr
    if "WorkingDirectory:" not in said:
        pytest.skip(f"this systemd does not dump: {said[-200:]}")
    assert f"WorkingDirectory: {plan.folder}\n" in said
    assert f"ReadWritePaths: {plan.folder}\n" in said or f"ReadWritePaths: {plan.folder} /srv/actas" in said, said


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here")
def test_the_unit_is_hardened(plan: systemd.Plan, tmp_path: Path) -> None:
    unit = tmp_path / "aforo.service"
    unit.write_text(systemd.unit_text(replace(plan, user="nobody")), encoding="utf-8")
    command = [str(ANALYZE), "security", "--offline=true", "--threshold=35", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-800:]


def test_a_folder_without_credentials_is_refused(plan: systemd.Plan, tmp_path: Path) -> None:
    with pytest.raises(BadCommand, match=r"no hay ningún archivo con el nombre de un ajuste secreto"):
        systemd.unit_text(replace(plan, credentials=tmp_path))


def test_homes_stay_readable_where_the_program_lives_there(plan: systemd.Plan) -> None:
    assert "ProtectHome=read-only" in systemd.unit_text(replace(plan, folder=Path("/home/aforo/sala")))


@LINUX
def test_install_only_prints_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(systemd, "_UNITS", tmp_path / "units")
    monkeypatch.setenv("AFORO_DATABASE__URL", "sqlite:////srv/datos/aforo.db")
    assert os_service.main(Wish("install", only_print=True, user="aforo")) == 0
    shown = capsys.readouterr().out
    assert f"WorkingDirectory={tmp_path}" in shown
    assert f"ReadWritePaths={tmp_path} /srv/datos\n" in shown
    assert not (tmp_path / "units").exists()


@LINUX
def test_install_status_and_uninstall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a systemctl that writes down what it is asked, since no systemd runs where tests run."""
    asked = tmp_path / "asked"
    systemctl = tmp_path / "systemctl"
    shown = "LoadState=loaded\\nActiveState=active\\nStatusText=Esperando el próximo evento\\nNRestarts=2\\n"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\n[ "$1" = show ] && printf "{shown}"\nexit 0\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "_UNITS", tmp_path)
    monkeypatch.setattr(systemd, "_BOOTED", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadCommand, match="La cuenta «nadie-la-hizo» no existe"):
        os_service.main(Wish("install", user="nadie-la-hizo"))
    assert not asked.exists(), "nothing was begun"
    assert os_service.main(Wish("install", user=getpass.getuser())) == 0
    assert "Atención" not in capsys.readouterr().out
    assert (tmp_path / "aforo.service").read_text(encoding="utf-8").startswith("[Unit]")
    assert os_service.main(Wish("status")) == 0
    assert "aforo: en marcha. Esperando el próximo evento. reinicios: 2." in capsys.readouterr().out
    assert os_service.main(Wish("uninstall")) == 0
    assert not (tmp_path / "aforo.service").exists()
    assert asked.read_text().splitlines()[:4] == [
        "daemon-reload",
        "enable aforo.service",
        "restart --no-block aforo.service",
        "show aforo --property=LoadState,ActiveState,StatusText,NRestarts,Result",
    ]
    with pytest.raises(BadCommand, match="No hay ningún servicio aforo"):
        os_service.main(Wish("uninstall"))


@LINUX
def test_where_systemd_does_not_run_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_UNITS", tmp_path)
    monkeypatch.setattr(systemd, "_BOOTED", tmp_path / "no")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadCommand, match="no corre systemd"):
        os_service.main(Wish("install", user=getpass.getuser()))
    assert not (tmp_path / "aforo.service").exists()


@pytest.mark.skipif(os.name == "nt", reason="mode bits say nothing on Windows")
def test_what_an_account_may_not_do_is_told(tmp_path: Path) -> None:
    secret, folder = tmp_path / ".env", tmp_path / "actas"
    secret.write_text("x")
    folder.mkdir()
    stranger = Account("otra", os.getuid() + 1, frozenset())
    open_to_others(tmp_path)
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


class Manager:
    """systemd's side of the notify protocol."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind(str(path))
        self.wire.setblocking(False)

    async def hears(self, word: str) -> dict[str, str]:
        """The next message in which that name is."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            while True:
                message = dict(
                    line.partition("=")[::2] for line in (await loop.sock_recv(self.wire, 4096)).decode().splitlines()
                )
                if word in message:
                    return message


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(tmp_path / "notify")
    yield one
    one.wire.close()


@LINUX
async def test_what_the_manager_hears(manager: Manager) -> None:
    ready, stopping, texts = asyncio.Event(), asyncio.Event(), ["Conectando"]
    notifier = Notifier.of({"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "300000"})
    assert notifier.watchdog == 0.3
    async with notifying(notifier, ready, stopping, lambda: texts[0]):
        first = await manager.hears("STATUS")
        assert first["STATUS"] == "Conectando"
        assert "READY" not in first
        texts[0] = "«Clásico» en curso:\nNorte 12"
        ready.set()
        told = await manager.hears("READY")
        assert told["STATUS"] == "«Clásico» en curso: Norte 12"
        assert (await manager.hears("WATCHDOG"))["WATCHDOG"] == "1"
        stopping.set()
        assert (await manager.hears("STOPPING"))["STOPPING"] == "1"


@LINUX
async def test_an_abstract_address_and_a_manager_that_is_gone(manager: Manager) -> None:
    manager.wire.close()
    manager.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.wire.bind("\0aforo-test-notify")
    manager.wire.setblocking(False)
    notifier = Notifier.of({"NOTIFY_SOCKET": "@aforo-test-notify"})
    notifier.send("READY=1")
    assert await manager.hears("READY") == {"READY": "1"}
    manager.wire.close()
    notifier.send("WATCHDOG=1")  # nobody listens: nothing happens


def test_a_watchdog_meant_for_another_process_is_none() -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier.of(environ).watchdog == 0
    assert not Notifier.of({}).speaks


def test_what_windows_is_told() -> None:
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


def test_what_windows_answers_in_two_languages() -> None:
    spanish = RUNNING.replace("TYPE ", "TIPO ").replace("STATE ", "ESTADO").replace("SERVICE_NAME", "NOMBRE_SERVICIO")
    for answer in (RUNNING, spanish):
        assert windows.told("aforo", answer) == ("aforo: en marcha.", True)
    stopped = RUNNING.replace("4  RUNNING", "1  STOPPED")
    assert windows.told("aforo", stopped) == ("aforo: parado.", False)


@pytest.mark.skipif(os.name == "nt", reason="there it is")
def test_without_windows_it_is_said() -> None:
    with pytest.raises(BadCommand, match=r"no hay sc\.exe"):
        windows.status("aforo")
