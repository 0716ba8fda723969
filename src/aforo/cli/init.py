"""``aforo init``: a few questions, and the four files that the job needs; nothing is overwritten unasked."""

import asyncio
import getpass
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from aforo.avigilon import AvigilonClient, cameras_that_count, fingerprint
from aforo.clock import SystemClock
from aforo.counting.rules import Rules
from aforo.errors import AccError, AforoError, BadCommand, BadSchedule, BadSetting, os_reason
from aforo.inputs.schedule import check_event
from aforo.inputs.watched_file import write_whole
from aforo.models import Matcher
from aforo.settings import Given, MonitorSettings, Settings, validated, zones_from

_PORT = 8443  # Avigilon's own for the Web Endpoint
_DAYS = 3  # how far back a camera must have sent something that counts
_PRIVATE, _PUBLIC = 0o600, 0o644
SECRETS = {
    "acc.password": "Contraseña de ese usuario",
    "acc.user_nonce": "User nonce de la integración (lo da Avigilon)",
    "acc.user_key": "User key de la integración (la da Avigilon)",
    "acc.integration_id": "Identificador de la integración (vacío si no hay)",
}
_OPTIONAL = "acc.integration_id"


class Asker(Protocol):
    """Who answers the questions."""

    def ask(self, question: str, default: str = "") -> str: ...  # noqa: D102 -- a line of text
    def secret(self, question: str) -> str: ...  # noqa: D102 -- a line that is not shown
    def yes(self, question: str, *, default: bool) -> bool: ...  # noqa: D102


@dataclass(slots=True)
class Wish:
    """What is known before anything is asked: flags, and secrets from the environment. "" means: to be asked."""

    url: str = ""
    username: str = ""
    pinned: str = ""
    database: str = ""
    event: tuple[str, str, str, str] | None = None
    force: bool = False
    secrets: dict[str, str] = field(default_factory=dict)


class Console:
    """A person at the console."""

    def ask(self, question: str, default: str = "") -> str:
        """What is typed, or the default."""
        shown = f" [{default}]" if default else ""
        return input(f"{question}{shown}: ").strip() or default

    def secret(self, question: str) -> str:
        """What is typed, unseen."""
        return getpass.getpass(f"{question}: ").strip()

    def yes(self, question: str, *, default: bool) -> bool:
        """Yes or no."""
        answer = input(f"{question} [{'S/n' if default else 's/N'}]: ").strip().lower()
        return answer in {"s", "si", "sí", "y"} if answer else default


class Nobody:
    """No person: what was not given is refused, and nothing is overwritten."""

    def ask(self, question: str, default: str = "") -> str:
        """The default, where there is one."""
        if not default:
            raise BadCommand(f"Falta: {question}.", remedy="Con --yes no se pregunta nada: dé la opción o la variable.")
        return default

    def secret(self, question: str) -> str:
        """There is none."""
        raise BadCommand(f"Falta: {question}.", remedy="Con --yes los secretos vienen de variables AFORO_ACC__….")

    def yes(self, question: str, *, default: bool) -> bool:  # noqa: ARG002 -- the question is for a person
        """What goes without saying."""
        return default


def main(wish: Wish, *, ask: bool = True) -> int:
    """Ask, write, tell. Returns 0. Raises BadCommand, BadSetting."""
    try:
        return Wizard(wish, Console() if ask else Nobody(), Path.cwd(), sys.stdout.write).run()
    except EOFError as exc:
        raise BadCommand("No hay nadie que conteste.", remedy="Use --yes, con opciones y variables.") from exc


class Wizard:
    """One conversation. ``tell`` writes a line for the person."""

    def __init__(self, wish: Wish, asker: Asker, folder: Path, tell: Callable[[str], object]) -> None:
        self._wish = wish
        self._asker = asker
        self._folder = folder
        self._tell = tell

    def run(self) -> int:
        """Do it all."""
        wish, asker = self._wish, self._asker
        url = _whole_url(wish.url or asker.ask("Dirección del servidor de Avigilon (ACC), como acc.estadio.local"))
        pinned = wish.pinned or self._pin(url)
        username = wish.username or asker.ask("Usuario de ACC")
        secrets = {name: self._secret(name, text) for name, text in SECRETS.items()}
        database = wish.database or self._database()
        settings = _checked(url, username, pinned, secrets, database)
        schedule = self._schedule()
        self._write("aforo.toml", _toml(url, username, pinned, database), _PUBLIC)
        self._write(".env", _dotenv(secrets, database), _PRIVATE)
        self._write("eventos_programados.json", _json(schedule), _PUBLIC)
        self._write_cameras(settings)
        self._say("Listo. Ahora: «aforo check», que lo comprueba todo, y después «aforo run».")
        return 0

    def _pin(self, url: str) -> str:
        """The certificate's fingerprint, where the person has compared it; "" for one that a known CA signed."""
        try:
            shown = asyncio.run(fingerprint(url))
        except AccError as exc:
            self._say(f"{exc.what} Se sigue sin ver su certificado: «aforo check» lo mostrará.")
            return ""
        self._say(f"El servidor muestra un certificado con esta huella SHA-256:\n  {shown}")
        question = "¿Es la que dice el administrador de ACC? Con «no» se exige una autoridad conocida"
        if self._asker.yes(question, default=False):
            return shown
        self._say("No se fija. Cuando la confirme: «aforo init --fingerprint …», o fingerprint en [acc] de aforo.toml.")
        return ""

    def _secret(self, name: str, text: str) -> str:
        given = self._wish.secrets.get(name, "")
        if given or (name == _OPTIONAL and isinstance(self._asker, Nobody)):
            return given
        return self._asker.secret(text)

    def _database(self) -> str:
        answer = self._asker.ask("Base de datos: sqlite, odbc, o una URL sin contraseña", "sqlite")
        return self._asker.secret("Cadena ODBC (no se verá)") if answer.strip().lower() == "odbc" else answer

    def _schedule(self) -> dict[str, Any]:
        """The next event, as the file has it; a person who mistypes is asked again. Raises BadSchedule."""
        if self._wish.event is not None:
            return _event(*self._wish.event)
        asker = self._asker
        if not asker.yes("¿Escribir ya el próximo evento?", default=False):
            return {}
        today = SystemClock().now().astimezone(MonitorSettings().timezone).date()
        while True:
            day, name = asker.ask("Fecha (AAAA-MM-DD)", str(today)), asker.ask("Nombre del evento")
            since, until = asker.ask("hora_inicio", "16:00"), asker.ask("hora_fin", "23:00")
            try:
                return _event(day, name, since, until)
            except BadSchedule as exc:
                self._say(f"{exc} Otra vez, por favor.")

    def _write_cameras(self, settings: Settings) -> None:
        path = settings.monitor.cameras_file
        remedy = f"cuando responda, «aforo cameras --counting --write» escribe {path}."
        try:
            cameras = asyncio.run(_cameras_that_count(settings))
        except AforoError as exc:
            self._say(f"{exc.what} Faltan las cámaras: {remedy}")
            return
        if not cameras:
            self._say(f"Ninguna cámara envió en {_DAYS} días algo que cuente: {remedy}")
            return
        self._write(str(path), json.dumps(cameras, indent=2) + "\n", _PUBLIC)
        self._say(f"{len(cameras)} cámaras permitidas: las que en {_DAYS} días enviaron algo que una regla cuenta.")

    def _write(self, name: str, text: str, mode: int) -> None:
        path = self._folder / name
        if path.exists() and not self._wish.force:
            if path.read_text(encoding="utf-8", errors="replace") == text:
                return
            if not self._asker.yes(f"{name} ya existe. ¿Sobrescribirlo?", default=False):
                self._say(f"{name}: queda como estaba.")
                return
        try:
            if mode == _PRIVATE and os.name != "nt":
                path.touch(mode=mode)  # private before anything is in it
                path.chmod(mode)
            write_whole(path, text)
        except OSError as exc:
            raise BadCommand(f"{path} no se puede escribir ({os_reason(exc)}).") from exc
        self._say(f"{name}: escrito.")

    def _say(self, text: str) -> None:
        self._tell(f"{text}\n")


def _event(day: str, name: str, since: str, until: str) -> dict[str, Any]:
    """A schedule with one event; raises BadSchedule for what the program would not read."""
    event = {"nombre": name.strip(), "hora_inicio": since.strip(), "hora_fin": until.strip()}
    check_event(day.strip(), event, MonitorSettings().timezone)
    return {day.strip(): event}


async def _cameras_that_count(settings: Settings) -> list[str]:
    rules = Rules(map(Matcher.parse, settings.events.stored), zones_from(settings.zones))
    clock = SystemClock()
    async with AvigilonClient(settings.acc, clock) as acc:
        await acc.login()
        servers, cameras = await acc.servers(), await acc.cameras()
        counting = await cameras_that_count(acc, cameras, servers, rules=rules, until=clock.now(), days=_DAYS)
    return [camera.id for camera in counting]


def _checked(url: str, username: str, pinned: str, secrets: Mapping[str, str], database: str) -> Settings:
    """The answers as the program will read them. Raises BadSetting before anything is written."""
    given = {"acc.url": url, "acc.username": username, "acc.fingerprint": pinned, **secrets, **_database(database)}
    return validated({name: Given(value, "respuesta") for name, value in given.items()})


def _whole_url(text: str) -> str:
    """``acc.estadio.local`` as people write it, with the scheme and the port that are the usual ones."""
    url = text.strip().rstrip("/")
    url = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(url)
        complete = parts.port is not None or not parts.hostname
    except ValueError as exc:
        raise BadSetting(f"«{text}» no es una dirección; se admite https://servidor:puerto.") from exc
    return url if complete else f"{url}:{_PORT}"


def _database(answer: str) -> dict[str, str]:
    if answer.strip().lower() == "sqlite":
        return {}
    return {"database.url" if "://" in answer.partition(";")[0] else "database.odbc": answer}


def _toml(url: str, username: str, pinned: str, database: str) -> str:
    lines = ["# Todos los ajustes: docs/ajustes.md. Los secretos están en .env.", "", "[acc]"]
    lines += [f"url = {_text(url)}", f"username = {_text(username)}"]
    lines += [f"fingerprint = {_text(pinned)}"] if pinned else []
    if not _database(database):
        lines += ["", "[database]", 'url = "sqlite:///aforo.db"']
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _dotenv(secrets: Mapping[str, str], database: str) -> str:
    found = {**secrets, **_database(database)}
    lines = [f"AFORO_{name.replace('.', '__').upper()}={_quoted(value)}" for name, value in found.items() if value]
    return "# Secretos: que solo los lea quien ejecuta el programa.\n" + "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """As ``.env`` takes any text: in single quotes, where only these and the backslash mean something."""
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
