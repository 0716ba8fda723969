"""``aforo init``: a few questions, and the four files that the job needs."""

import asyncio
import getpass
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from aforo.avigilon import AvigilonClient, cameras_that_count, fingerprint, site_cameras
from aforo.cli.console import Output
from aforo.clock import SystemClock
from aforo.counting.rules import Rules
from aforo.errors import AccError, AforoError, BadCommand, BadSchedule, BadSetting, os_reason
from aforo.inputs.schedule import check_event
from aforo.inputs.watched_file import write_whole
from aforo.models import Rule
from aforo.reference_clock import ReferenceClock
from aforo.settings import Given, MonitorSettings, Settings, validated, zones_from

_PORT = 8443  # Avigilon's own for the Web Endpoint
_DAYS = 3  # days in which a camera must have sent an event that counts
SECRETS = {
    "acc.password": "Contraseña de ese usuario",
    "acc.user_nonce": "User nonce de la integración (lo da Avigilon)",
    "acc.user_key": "User key de la integración (la da Avigilon)",
    "acc.integration_id": "Identificador de la integración (vacío si no hay)",
}
_OPTIONAL = "acc.integration_id"


class Prompt(Protocol):
    """The source of the answers."""

    def text(self, question: str, default: str = "") -> str: ...  # noqa: D102 -- a line of text
    def secret(self, question: str) -> str: ...  # noqa: D102 -- a line that is not displayed
    def yes_no(self, question: str, *, default: bool) -> bool: ...  # noqa: D102


@dataclass(slots=True)
class InitOptions:
    """The answers given in advance, by flags and by environment variables; "" means that there is a question."""

    url: str = ""
    username: str = ""
    fingerprint: str = ""
    database: str = ""
    event: tuple[str, str, str, str] | None = None
    force: bool = False
    secrets: dict[str, str] = field(default_factory=dict)


class ConsolePrompt:
    """A person at the console."""

    def text(self, question: str, default: str = "") -> str:
        """Return the typed line, or the default for an empty one."""
        hint = f" [{default}]" if default else ""
        return input(f"{question}{hint}: ").strip() or default

    def secret(self, question: str) -> str:
        """Return the typed line, which is not displayed."""
        return getpass.getpass(f"{question}: ").strip()

    def yes_no(self, question: str, *, default: bool) -> bool:
        """Return whether the answer is yes."""
        answer = input(f"{question} [{'S/n' if default else 's/N'}]: ").strip().lower()
        return answer in {"s", "si", "sí", "y"} if answer else default


class DefaultAnswers:
    """No person: each question gets its default, or raises BadCommand."""

    def text(self, question: str, default: str = "") -> str:
        """Return the default, if there is one."""
        if not default:
            raise BadCommand(f"Falta: {question}.", remedy="Con --yes no se pregunta nada: dé la opción o la variable.")
        return default

    def secret(self, question: str) -> str:
        """Raise BadCommand: a secret has no default."""
        raise BadCommand(f"Falta: {question}.", remedy="Con --yes los secretos vienen de variables AFORO_ACC__….")

    def yes_no(self, question: str, *, default: bool) -> bool:  # noqa: ARG002 -- the question is for a person
        """Return the default."""
        return default


def main(options: InitOptions, *, interactive: bool = True) -> int:
    """Write the files from options and answers; returns 0. Raises BadCommand, BadSetting."""
    try:
        return Wizard(options, ConsolePrompt() if interactive else DefaultAnswers(), Path.cwd(), sys.stdout.write).run()
    except EOFError as exc:
        raise BadCommand("No hay nadie que conteste.", remedy="Use --yes, con opciones y variables.") from exc


class Wizard:
    """Prompts for what the options do not give, and writes the files; ``write_out`` receives each line of output."""

    def __init__(self, options: InitOptions, prompt: Prompt, folder: Path, write_out: Callable[[str], object]) -> None:
        self._options = options
        self._prompt = prompt
        self._folder = folder
        self._write_out = write_out

    def run(self) -> int:
        """Prompt and write; returns 0."""
        options, prompt = self._options, self._prompt
        url = _complete_url(
            options.url or prompt.text("Dirección del servidor de Avigilon (ACC), como acc.estadio.local")
        )
        pinned = options.fingerprint or self._confirmed_fingerprint(url)
        username = options.username or prompt.text("Usuario de ACC")
        secrets = {name: self._secret(name, text) for name, text in SECRETS.items()}
        database = options.database or self._database()
        settings = _settings(url, username, pinned, secrets, database)
        schedule = self._schedule()
        self._write("aforo.toml", _toml(url, username, pinned, database))
        self._write(".env", _dotenv(secrets, database), private=True)
        self._write("eventos_programados.json", _json(schedule))
        self._write_cameras(settings)
        self._print("Listo. Ahora: «aforo check», que lo comprueba todo, y después «aforo run».")
        return 0

    def _confirmed_fingerprint(self, url: str) -> str:
        """Return the certificate's fingerprint if the person confirms it, "" otherwise."""
        try:
            shown = asyncio.run(fingerprint(url))
        except AccError as exc:
            self._print(f"{exc.what} Se sigue sin ver su certificado: «aforo check» lo mostrará.")
            return ""
        self._print("El servidor muestra un certificado con esta huella SHA-256:")
        self._print(f"  {shown}")
        question = "¿Es la que dice el administrador de ACC? Con «no» se exige una autoridad conocida"
        if self._prompt.yes_no(question, default=False):
            return shown
        self._print(
            "No se fija. Cuando la confirme: «aforo init --fingerprint …», o fingerprint en [acc] de aforo.toml."
        )
        return ""

    def _secret(self, name: str, text: str) -> str:
        given = self._options.secrets.get(name, "")
        if given or (name == _OPTIONAL and isinstance(self._prompt, DefaultAnswers)):
            return given
        return self._prompt.secret(text)

    def _database(self) -> str:
        answer = self._prompt.text("Base de datos: sqlite, odbc, o una URL sin contraseña", "sqlite")
        return self._prompt.secret("Cadena ODBC (no se verá)") if answer.strip().lower() == "odbc" else answer

    def _schedule(self) -> dict[str, Any]:
        """Return a schedule with the next event, or an empty one; a mistyped event is prompted for again."""
        if self._options.event is not None:
            return _event(*self._options.event)
        prompt = self._prompt
        if not prompt.yes_no("¿Escribir ya el próximo evento?", default=False):
            return {}
        today = SystemClock().now().astimezone(MonitorSettings().timezone).date()
        while True:
            day, name = prompt.text("Fecha (AAAA-MM-DD)", str(today)), prompt.text("Nombre del evento")
            since, until = prompt.text("hora_inicio", "16:00"), prompt.text("hora_fin", "23:00")
            try:
                return _event(day, name, since, until)
            except BadSchedule as exc:
                self._print(f"{exc} Otra vez, por favor.")

    def _write_cameras(self, settings: Settings) -> None:
        path = settings.monitor.cameras_file
        remedy = f"cuando responda, «aforo cameras --counting --write» escribe {path}."
        try:
            cameras = asyncio.run(_cameras_that_count(settings))
        except AforoError as exc:
            self._print(f"{exc.what} Faltan las cámaras: {remedy}")
            return
        if not cameras:
            self._print(f"Ninguna cámara envió en {_DAYS} días algo que cuente: {remedy}")
            return
        self._write(str(path), json.dumps(cameras, indent=2) + "\n")
        self._print(f"{len(cameras)} cámaras permitidas: las que en {_DAYS} días enviaron algo que una regla cuenta.")

    def _write(self, name: str, text: str, *, private: bool = False) -> None:
        path = self._folder / name
        is_link = path.is_symlink()
        if (path.exists() or is_link) and not self._options.force:
            if not is_link and path.read_text(encoding="utf-8", errors="replace") == text:
                return
            if not self._prompt.yes_no(f"{name} ya existe. ¿Sobrescribirlo?", default=False):
                self._print(f"{name}: queda como estaba.")
                return
        try:
            write_whole(path, text, private=private)
        except OSError as exc:
            raise BadCommand(f"{path} no se puede escribir ({os_reason(exc)}).") from exc
        self._print(f"{name}: escrito{'; era un enlace, y aquello a lo que llevaba queda igual' if is_link else ''}.")

    def _print(self, text: str) -> None:
        self._write_out(f"{Output().shown(text)}\n")


def _event(day: str, name: str, since: str, until: str) -> dict[str, Any]:
    """Return a schedule with one event; raises BadSchedule for an event that the program would not read."""
    event = {"nombre": name.strip(), "hora_inicio": since.strip(), "hora_fin": until.strip()}
    check_event(day.strip(), event, MonitorSettings().timezone)
    return {day.strip(): event}


async def _cameras_that_count(settings: Settings) -> list[str]:
    rules = Rules(map(Rule.of, settings.events.stored), zones_from(settings.zones))
    clock = ReferenceClock(SystemClock())
    async with AvigilonClient(settings.acc, clock) as acc:
        await acc.login()
        servers = await acc.servers()
        cameras = await site_cameras(acc, servers, clock.now(), _DAYS)
        counting = await cameras_that_count(acc, cameras, servers, rules=rules, until=clock.now(), days=_DAYS)
    return [camera.id for camera in counting]


def _settings(url: str, username: str, pinned: str, secrets: Mapping[str, str], database: str) -> Settings:
    """Return the settings that the answers make. Raises BadSetting before anything is written."""
    given = {
        "acc.url": url,
        "acc.username": username,
        "acc.fingerprint": pinned,
        **secrets,
        **_database_settings(database),
    }
    return validated({name: Given(value, "respuesta") for name, value in given.items()})


def _complete_url(text: str) -> str:
    """Add the usual scheme and port to an address as people write it: ``acc.estadio.local``."""
    url = text.strip().rstrip("/")
    url = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(url)
        complete = parts.port is not None or not parts.hostname
    except ValueError as exc:
        raise BadSetting(f"«{text}» no es una dirección; se admite https://servidor:puerto.") from exc
    return url if complete else f"{url}:{_PORT}"


def _database_settings(answer: str) -> dict[str, str]:
    if answer.strip().lower() == "sqlite":
        return {}
    return {"database.url" if "://" in answer.partition(";")[0] else "database.odbc": answer}


def _toml(url: str, username: str, pinned: str, database: str) -> str:
    lines = ["# Todos los ajustes: docs/ajustes.md. Los secretos están en .env.", "", "[acc]"]
    lines += [f"url = {_text(url)}", f"username = {_text(username)}"]
    lines += [f"fingerprint = {_text(pinned)}"] if pinned else []
    if not _database_settings(database):
        lines += ["", "[database]", 'url = "sqlite:///aforo.db"']
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _dotenv(secrets: Mapping[str, str], database: str) -> str:
    found = {**secrets, **_database_settings(database)}
    lines = [f"AFORO_{name.replace('.', '__').upper()}={_quoted(value)}" for name, value in found.items() if value]
    return "# Secretos: que solo los lea quien ejecuta el programa.\n" + "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """Quote a value for ``.env``: in single quotes, where only these and the backslash are special."""
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
