"""The unit of a Linux service: its text, its installation and removal."""

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
from aforo.settings import environment_for_child, rows

_SYSTEMCTL = "systemctl"
_STATES = {
    "active": "en marcha",
    "activating": "arrancando",
    "deactivating": "terminando",
    "inactive": "parado",
    "failed": "parado por un fallo",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The service to install.

    ``credentials``: a folder with a file per secret, named like its setting, or None. ``writable``: folders that it
    writes into besides its own. ``read``: files that it has to read.
    """

    name: str
    folder: Path
    user: str
    credentials: Path | None = None
    config: Path | None = None
    python: Path = Path(sys.executable)
    writable: Sequence[Path] = ()
    read: Sequence[Path] = ()


def unit_text(plan: Plan) -> str:
    """Return the unit's text.

    It contains no secret: systemd passes the credentials in a folder that only the service can read.
    """
    command = [str(plan.python), "-m", "aforo", "run", "--continuous"]
    if plan.config is not None:
        command += ["--config", str(plan.config)]
    lines = _TEMPLATE.format(
        command=" ".join(map(_quoted, command)),
        folder=_literal(plan.folder),
        user=plan.user,
        writable=" ".join(_word(path) for path in dict.fromkeys((plan.folder, *plan.writable))),
        home="read-only" if _is_in_home(plan) else "yes",
        credentials="".join(f"LoadCredential={name}:{_literal(path)}\n" for name, path in _credentials(plan)),
    )
    return lines.replace("\n\n\n", "\n\n")


class Systemd:
    """The service manager of this machine.

    ``units``: the folder of its units. ``booted``: a folder that exists exactly where systemd runs the machine.
    """

    def __init__(self, units: Path = Path("/etc/systemd/system"), booted: Path = Path("/run/systemd/system")) -> None:
        self._units = units
        self._booted = booted

    def install(self, plan: Plan) -> str:
        """Write the unit, and start it now and at each boot; returns what was done. Raises BadCommand.

        The start is requested and not awaited: the service is ready when database and cameras' server answer. A service
        that was installed before is restarted with the new unit.
        """
        systemctl = self._systemctl()
        account = Account.named(plan.user, plan.folder)
        _require_folders(plan)
        unit = self._unit(plan.name)
        try:
            unit.write_text(unit_text(plan), encoding="utf-8")
            unit.chmod(0o644)
        except OSError as exc:
            raise BadCommand(
                f"{unit} no se puede escribir ({os_reason(exc)}).",
                remedy="Repita con sudo, o guarde lo que escribe «aforo service install --print» y hágalo a mano.",
            ) from exc
        _run([systemctl, "daemon-reload"])
        _run([systemctl, "enable", unit.name])
        _run([systemctl, "restart", "--no-block", unit.name])
        lines = [
            f"{unit}: instalado; arranca ahora y con la máquina.",
            f"Cómo está: aforo service status. Lo que hace: journalctl -u {plan.name} -f",
        ]
        if lacks := account.lacks(plan.read, (plan.folder, *plan.writable)):
            lines.append(f"¡Atención! La cuenta {plan.user} no puede {'; ni '.join(lacks)}.")
            lines.append(f"Dele permiso, por ejemplo: sudo chown -R {plan.user}: '{plan.folder}'")
            lines.append(
                "Si lo que no puede leer es Python: haga .venv con uno que no esté en la carpeta personal de otro."
            )
        return "\n".join(lines)

    def uninstall(self, name: str) -> str:
        """Stop the service and remove its unit; returns what was done. Raises BadCommand."""
        unit = self._unit(name)
        if not unit.exists():
            raise BadCommand(f"No hay ningún servicio {name}: {unit} no existe.")
        systemctl = self._systemctl()
        _run([systemctl, "disable", "--now", unit.name])
        try:
            unit.unlink()
        except OSError as exc:
            raise BadCommand(f"{unit} no se puede borrar ({os_reason(exc)}).", remedy="Repita con sudo.") from exc
        _run([systemctl, "daemon-reload"])
        return f"{unit}: quitado. La base de datos, el registro y las actas quedan como están."

    def status(self, name: str) -> tuple[str, bool]:
        """Return the service's state in one line, and whether it is active. Raises BadCommand."""
        properties = "--property=LoadState,ActiveState,StatusText,NRestarts,Result"
        output = _run([self._systemctl(), "show", name, properties])
        found = dict(line.partition("=")[::2] for line in output.splitlines())
        if found.get("LoadState") == "not-found":
            return f"No hay ningún servicio {name}: se hace con «aforo service install».", False
        active = found.get("ActiveState", "")
        restarts = found.get("NRestarts", "0")
        parts = [f"{name}: {_STATES.get(active, active or '?')}", found.get("StatusText", "")]
        parts += [f"reinicios: {restarts}"] if restarts != "0" else []
        parts += [f"Por qué: journalctl -u {name} -n 20, y «aforo check»"] if active == "failed" else []
        return ". ".join(part for part in parts if part) + ".", active == "active"

    def _unit(self, name: str) -> Path:
        return self._units / f"{name}.service"

    def _systemctl(self) -> str:
        found = shutil.which(_SYSTEMCTL)
        if found is None or not self._booted.is_dir():
            raise BadCommand(
                "En esta máquina no corre systemd.",
                remedy="«aforo service install --print» escribe la unidad; o use el contenedor (compose.yaml).",
            )
        return found


def _require_folders(plan: Plan) -> None:
    """Raise BadCommand for a missing folder: systemd opens it before the program could make it."""
    for folder in plan.writable:
        if not folder.is_dir():
            raise BadCommand(f"No existe la carpeta {folder}.", remedy="Créela, o cambie el ajuste que la nombra.")


def owner(folder: Path) -> str:
    """Return the default account of the service: the folder's owner."""
    try:
        return folder.owner()
    except (KeyError, OSError, NotImplementedError):
        return getpass.getuser()


def _credentials(plan: Plan) -> list[tuple[str, Path]]:
    """Return each secret that has a file, with the file. Raises BadCommand for a folder without any."""
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


def _is_in_home(plan: Plan) -> bool:
    paths = [plan.folder, plan.python, plan.python.resolve(), Path(__file__)]
    return any(path.is_relative_to(home) for path in paths for home in ("/home", "/root", "/run/user"))


def _quoted(word: str) -> str:
    """Escape a word of ExecStart, in which systemd expands % and $, and a blank ends the word."""
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{escaped}"' if any(character in word for character in " \t\"'\\;") else escaped


def _literal(path: Path) -> str:
    """Escape a path that is a whole value: only % is special there."""
    return str(path).replace("%", "%%")


def _word(path: Path) -> str:
    """Escape one path of several on a line: quotes keep a blank; backslashes are not special."""
    text = _literal(path)
    return f'"{text}"' if " " in text else text


def _run(command: Sequence[str]) -> str:
    environment = environment_for_child(LC_ALL="C")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
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

# Sobran para cámaras, base de datos, registro y página; y sin volcado de memoria, que llevaría contraseñas.
LimitNOFILE=65536
LimitCORE=0

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
