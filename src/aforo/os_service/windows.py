"""The service of a Windows machine, through ``sc.exe``. The service's process is ``cli.windows_host``."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aforo.errors import BadCommand
from aforo.settings import environment_for_child

_DISPLAY = "Aforo en vivo del estadio"
_DESCRIPTION = "Lleva el aforo del estadio a partir de las cámaras Avigilon, de evento en evento."
_RUNNING = "4"  # sc's number for a running service
_DENIED, _UNKNOWN, _EXISTS, _LEAVING, _BAD_ACCOUNT = 5, 1060, 1073, 1072, 1057  # sc's exit codes are Windows's errors
_REMEDIES = {
    _DENIED: "Repita en una consola abierta como administrador.",
    _UNKNOWN: "Se hace con «aforo service install».",
    _EXISTS: "Ya está instalado: antes, «aforo service uninstall».",
    _LEAVING: "Windows aún lo está quitando: cierre la ventana Servicios y repita en un momento.",
    _BAD_ACCOUNT: r"Esa cuenta no existe o pide contraseña: use DOMINIO\cuenta y escríbala en Servicios.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The service to install. ``account`` "": LocalService, which has few rights and no password."""

    name: str
    folder: Path
    account: str = ""
    config: Path | None = None
    python: Path = Path(sys.executable)


def create_commands(plan: Plan) -> list[list[str]]:
    """Return the commands that install the service: it starts with the machine, and 15 s after any crash."""
    host = [str(plan.python), "-m", "aforo.cli.windows_host", plan.name, str(plan.folder)]
    if plan.config is not None:
        host.append(str(plan.config))
    account = plan.account or r"NT AUTHORITY\LocalService"
    # sc's syntax: the value after each "=" is a word of its own.
    create = ["sc.exe", "create", plan.name, "binPath=", subprocess.list2cmdline(host), "start=", "delayed-auto"]
    return [
        [*create, "obj=", account, "DisplayName=", _DISPLAY],
        ["sc.exe", "description", plan.name, _DESCRIPTION],
        ["sc.exe", "failure", plan.name, "reset=", "86400", "actions=", "restart/15000/restart/15000/restart/15000"],
        ["sc.exe", "failureflag", plan.name, "1"],
        ["sc.exe", "start", plan.name],
    ]


def delete_commands(name: str) -> list[list[str]]:
    """Return the commands that remove the service; the first one fails if it does not run."""
    return [["sc.exe", "stop", name], ["sc.exe", "delete", name]]


def install(plan: Plan) -> str:
    """Install and start the service; returns what was done. Raises BadCommand."""
    for command in create_commands(plan):
        _run(command)
    account = plan.account or r"NT AUTHORITY\LocalService"
    return (
        f"Servicio {plan.name}: instalado y en marcha como {account}. Esa cuenta necesita permiso de escritura en"
        f" {plan.folder} y de lectura de sus secretos."
    )


def uninstall(name: str) -> str:
    """Stop and remove the service; returns what was done. Raises BadCommand."""
    stop, delete = delete_commands(name)
    subprocess.run(stop, capture_output=True, check=False, env=environment_for_child())  # noqa: S603 -- it may not run
    _run(delete)
    return f"Servicio {name}: quitado. La base de datos, el registro y las actas quedan como están."


def status(name: str) -> tuple[str, bool]:
    """Return the service's state in one line, and whether it runs. Raises BadCommand."""
    return parse_state(name, _run(["sc.exe", "query", name]))


def parse_state(name: str, answer: str) -> tuple[str, bool]:
    """Parse the answer of ``sc query`` in any language, by the number of the state."""
    states = [line.partition(":")[2].split() for line in answer.splitlines() if ":" in line]
    number = next((words[0] for words in states[1:] if words and words[0] in _STATES and len(words) == 2), "")
    return f"{name}: {_STATES.get(number, 'estado desconocido')}.", number == _RUNNING


_STATES = {"1": "parado", "2": "arrancando", "3": "terminando", _RUNNING: "en marcha", "7": "en pausa"}


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, errors="replace", env=environment_for_child()
        )
    except OSError as exc:
        raise BadCommand("En esta máquina no hay sc.exe: no es Windows.") from exc
    if done.returncode:
        raise BadCommand(
            f"«{subprocess.list2cmdline(command)}» terminó con el código {done.returncode}: {done.stdout.strip()}",
            remedy=_REMEDIES.get(done.returncode, _REMEDIES[_DENIED]),
        )
    return done.stdout
