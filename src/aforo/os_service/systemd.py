"""The unit of a Linux service: what it says, and how it is put in and taken out."""

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aforo.errors import BadCommand, os_reason
from aforo.os_service.os_account import Account
from aforo.settings import rows

_UNITS = Path("/etc/systemd/system")
_BOOTED = Path("/run/systemd/system")  # there exactly where systemd runs the machine
_SYSTEMCTL = "systemctl"


@dataclass(frozen=True, slots=True)
class Plan:
    """What service to make. ``credentials``: a folder with a file for each secret, named like its setting, or None.

    ``writable``: folders that it writes into, beside its own. ``read``: files that it has to read.
    """

    name: str
    folder: Path
    user: str
    credentials: Path | None = None
    config: Path | None = None
    python: Path = Path(sys.executable)
    writable: Sequence[Path] = ()
    read: Sequence[Path] = ()

    @property
    def unit(self) -> Path:
        """Where the unit's file is."""
        return _UNITS / f"{self.name}.service"


def unit_text(plan: Plan) -> str:
    """The unit. No secret is in it: systemd hands the credentials over in a folder that only the service can read."""
    command = [str(plan.python), "-m", "aforo", "run", "--continuous"]
    if plan.config is not None:
        command += ["--config", str(plan.config)]
    lines = _TEMPLATE.format(
        command=" ".join(map(_quoted, command)),
        folder=_literal(plan.folder),
        user=plan.user,
        writable=" ".join(_word(path) for path in dict.fromkeys((plan.folder, *plan.writable))),
        home="read-only" if _in_homes(plan) else "yes",
        credentials="".join(f"LoadCredential={name}:{_literal(path)}\n" for name, path in _credentials(plan)),
    )
    return lines.replace("\n\n\n", "\n\n")


def install(plan: Plan) -> str:
    """Write the unit, start it now and at each boot; returns what was done. Raises BadCommand.

    It is told to start and not waited for: it starts when database and cameras' server answer. One that was there
    already is started anew, by the new unit.
    """
    systemctl = _systemctl()
    account = Account.named(plan.user, plan.folder)
    _require_folders(plan)
    try:
        plan.unit.write_text(unit_text(plan), encoding="utf-8")
        plan.unit.chmod(0o644)
    except OSError as exc:
        raise BadCommand(
            f"{plan.unit} no se puede escribir ({os_reason(exc)}).",
            remedy="Repita con sudo, o guarde lo que escribe «aforo service install --print» y hágalo a mano.",
        ) from exc
    _run([systemctl, "daemon-reload"])
    _run([systemctl, "enable", plan.unit.name])
    _run([systemctl, "restart", "--no-block", plan.unit.name])
    lines = [
        f"{plan.unit}: instalado; arranca ahora y con la máquina.",
        f"Cómo está: aforo service status. Lo que hace: journalctl -u {plan.name} -f",
    ]
    if lacks := account.lacks(plan.read, (plan.folder, *plan.writable)):
        lines.append(f"¡Atención! La cuenta {plan.user} no puede {'; ni '.join(lacks)}.")
        lines.append(f"Dele permiso, por ejemplo: sudo chown -R {plan.user}: '{plan.folder}'")
        lines.append(
            "Si lo que no puede leer es Python: haga .venv con uno que no esté en la carpeta personal de otro."
        )
    return "\n".join(lines)


def _require_folders(plan: Plan) -> None:
    """systemd opens what is there before the program could make it, and would not start it."""
    for folder in plan.writable:
        if not folder.is_dir():
            raise BadCommand(f"No existe la carpeta {folder}.", remedy="Créela, o cambie el ajuste que la nombra.")


def uninstall(name: str) -> str:
    """Stop the service and take its unit away; returns what was done. Raises BadCommand."""
    unit = _UNITS / f"{name}.service"
    if not unit.exists():
        raise BadCommand(f"No hay ningún servicio {name}: {unit} no existe.")
    systemctl = _systemctl()
    _run([systemctl, "disable", "--now", unit.name])
    try:
        unit.unlink()
    except OSError as exc:
        raise BadCommand(f"{unit} no se puede borrar ({os_reason(exc)}).", remedy="Repita con sudo.") from exc
    _run([systemctl, "daemon-reload"])
    return f"{unit}: quitado. La base de datos, el registro y las actas quedan como están."


def status(name: str) -> tuple[str, bool]:
    """How the service stands, in a line, and whether it runs. Raises BadCommand."""
    shown = _run([_systemctl(), "show", name, "--property=LoadState,ActiveState,StatusText,NRestarts,Result"])
    found = dict(line.partition("=")[::2] for line in shown.splitlines())
    if found.get("LoadState") == "not-found":
        return f"No hay ningún servicio {name}: se hace con «aforo service install».", False
    state = _STATES.get(found.get("ActiveState", ""), found.get("ActiveState", "?"))
    restarts = found.get("NRestarts", "0")
    parts = [f"{name}: {state}", found.get("StatusText", ""), f"reinicios: {restarts}" if restarts != "0" else ""]
    parts += [f"Por qué: journalctl -u {name} -n 20, y «aforo check»"] if found.get("ActiveState") == "failed" else []
    return ". ".join(part for part in parts if part) + ".", found.get("ActiveState") == "active"


_STATES = {
    "active": "en marcha",
    "activating": "arrancando",
    "deactivating": "terminando",
    "inactive": "parado",
    "failed": "parado por un fallo",
}


def owner(folder: Path) -> str:
    """Who the service runs as unless told otherwise: the folder's owner."""
    try:
        return folder.owner()
    except (KeyError, OSError, NotImplementedError):
        return getpass.getuser()


def _credentials(plan: Plan) -> list[tuple[str, Path]]:
    """Each secret that has a file, with it. Raises BadCommand for a folder without any."""
    if plan.credentials is None:
        return []
    secrets = [row.name for row in rows().values() if row.from_file]
    found = [(name, plan.credentials / name) for name in secrets if (plan.credentials / name).is_file()]
    if not found:
        raise BadCommand(
            f"En {plan.credentials} no hay ningún archivo con el nombre de un ajuste secreto.",
            remedy=f"Se esperan archivos como {plan.credentials / 'acc.password'}, cada uno con su valor.",
        )
    return found


def _in_homes(plan: Plan) -> bool:
    paths = [plan.folder, plan.python, plan.python.resolve(), Path(__file__)]
    return any(path.is_relative_to(home) for path in paths for home in ("/home", "/root", "/run/user"))


def _quoted(word: str) -> str:
    """A word of ExecStart: % and $ mean something to systemd, a blank ends it."""
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{escaped}"' if any(sign in word for sign in " \t\"'\\;") else escaped


def _literal(path: Path) -> str:
    """A path that is all of its line: systemd undoes no escape there, and a blank is a blank."""
    return str(path).replace("%", "%%")


def _word(path: Path) -> str:
    """A path among others on a line: there quotes keep a blank, and escapes are not undone either."""
    text = _literal(path)
    return f'"{text}"' if " " in text else text


def _systemctl() -> str:
    found = shutil.which(_SYSTEMCTL)
    if found is None or not _BOOTED.is_dir():
        raise BadCommand(
            "En esta máquina no corre systemd.",
            remedy="«aforo service install --print» escribe la unidad; o use el contenedor (compose.yaml).",
        )
    return found


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})  # noqa: S603
    if done.returncode:
        raise BadCommand(
            f"«{' '.join(command)}» terminó con el código {done.returncode}: {done.stderr.strip()}",
            remedy="Repita con sudo." if os.geteuid() else "Lo que dice systemd: journalctl -xe",
        )
    return done.stdout


_TEMPLATE = """\
[Unit]
Description=Aforo en vivo del estadio a partir de sus cámaras Avigilon
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
WorkingDirectory={folder}
User={user}
{credentials}
# Vuelve a empezar tras cualquier caída; no tras un ajuste que hay que corregir (código 2).
Restart=on-failure
RestartSec=15
RestartPreventExitStatus=2
WatchdogSec=90
# Espera lo que haga falta a la base de datos y al servidor de cámaras.
TimeoutStartSec=infinity
TimeoutStopSec=60

UMask=0027
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome={home}
ReadWritePaths={writable}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""
