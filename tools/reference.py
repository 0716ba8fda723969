"""Write the generated pages of the reference, docs/referencia/: ``python3 dev.py docs`` runs this.

``pages()`` gives each page's text, so that a test can compare it with the file. Needs ``src`` on the path.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Dialect, create_mock_engine
from tools import licences

from aforo.cli.argparse_es import Parser
from aforo.cli.commands import COMMANDS, Command
from aforo.storage.schema.tables import metadata

HERE = Path(__file__).resolve().parents[1]
FOLDER = HERE / "docs" / "referencia"
# The description that the page's tests compare with what the application answers.
OPENAPI = HERE / "tests" / "freeze" / "golden" / "page" / "openapi.json"
_SQL_SERVER: Dialect = create_mock_engine("mssql+pyodbc://", lambda *_: None).dialect
GENERATED = "<!-- Se genera con «python3 dev.py docs»: no se edita a mano. -->"


def main() -> int:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
    return 0


def pages() -> dict[str, str]:
    """The text of each generated page, by its file's name."""
    makers: dict[str, Callable[[], str]] = {"comandos.md": commands, "tablas.md": tables, "api-http.md": http_api}
    return {name: make() for name, make in makers.items()} | {"licencias.md": licences.page(GENERATED)}


# Commands


def commands() -> str:
    """Each command with its arguments, from the parsers."""
    parts = [
        f"# Comandos\n\n{GENERATED}\n\n"
        "Lo mismo dice `aforo COMANDO --help`. Sin instalar, `python monitoreo.py` es `aforo run`.\n"
        "Los códigos con que terminan: [solucion-de-problemas.md](../solucion-de-problemas.md#no-arranca).\n"
    ]
    for command in COMMANDS:
        rows = [
            (_spelled(action), (action.help or "").replace("%%", "%"))
            for action in arguments(command)
            if action.dest != "help"
        ]
        table = _table(("argumento", "qué es"), rows) if rows else "Sin argumentos.\n"
        parts.append(f"## `aforo {command.name}`\n\n{command.description}\n\n{table}")
    return "\n".join(parts)


def arguments(command: Command) -> list[argparse.Action]:
    """The arguments of a command, in the order of its help."""
    parser = Parser(f"aforo {command.name}", command.description)
    command.add_arguments(parser)
    return parser._actions  # noqa: SLF001 - argparse has no public list of them


def _spelled(action: argparse.Action) -> str:
    """An argument as one writes it: ``--seed N``, ``FECHA``."""
    values = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    shown = " ".join(values) if isinstance(values, tuple) else values
    names = ", ".join(action.option_strings)
    return f"`{' '.join(part for part in (names, shown) if part)}`"


# Tables

# What each table and column is for. A column without its line here stops the build.
SITE_TABLES = {
    "eventos_Analisis": (
        "El historial: una fila por evento válido.",
        {
            "analyticEventName": "nombre del evento analítico, como lo envía ACC",
            "area": "área de la regla analítica",
            "activity": "`OBJECT_COUNTING_ENTER` y demás, como lo envía ACC",
            "cameraId": "identificador de la cámara",
            "timestamp": "cuándo ocurrió, hora de Bogotá",
            "nombre_evento": "nombre del evento programado",
        },
    ),
    "Aforo_…": (
        "Una por zona (`zones.table`): el aforo de cada evento.",
        {"evento": "nombre del evento programado", "aforo": "cuántos hay ahora"},
    ),
}
_SHOW = "fila de `aforo_shows`"
OWN_TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "aforo_shows": (
        "Los eventos programados.",
        {
            "id": "número del evento",
            "day": "fecha de comienzo, hora de Bogotá",
            "name": "nombre",
            "starts_ms": "`hora_inicio`",
            "ends_ms": "`hora_fin`",
            "rules": "huella de las reglas con que se contó",
            "revision": "crece con cada cambio de algo del evento",
            "opened_ms": "cuándo se empezó a contar por última vez",
            "closed_ms": "cuándo se cerró; `NULL`: abierto",
        },
    ),
    "aforo_servers": (
        "Los servidores de cámaras.",
        {"id": "número del servidor", "server_id": "su identificador en ACC"},
    ),
    "aforo_sources": (
        "Los textos que muchos eventos de cámara comparten.",
        {
            "id": "número",
            "camera_id": "identificador de la cámara",
            "name": "nombre analítico",
            "area": "área",
            "activity": "actividad",
        },
    ),
    "aforo_events": (
        "El libro de eventos de cámara: cada uno, una vez.",
        {
            "occurred_ms": "cuándo ocurrió",
            "server": "fila de `aforo_servers`",
            "this_id": "`thisId` de ACC",
            "source": "fila de `aforo_sources`",
            "show_id": _SHOW,
            "history": "0: no va al historial; 1: está en él; 2: su tabla no lo admite",
            "seen_ms": "cuándo se leyó",
        },
    ),
    "aforo_minutes": (
        "Qué pasó en cada zona, minuto a minuto; se puede rehacer desde `aforo_events`.",
        {
            "show_id": _SHOW,
            "zone": "nombre de la zona",
            "minute_ms": "comienzo del minuto",
            "entries": "entradas",
            "exits": "salidas",
            "net": "entradas menos salidas, sin tope",
            "floor": "si el minuto empieza con `x`, acaba con el mayor de `floor` y `x + net`",
            "peak_net": "su mayor aforo es el mayor de `peak_floor` y `x + peak_net`",
            "peak_floor": "véase `peak_net`",
            "last_ms": "último instante contado en el minuto",
        },
    ),
    "aforo_checkpoints": (
        "Hasta cuándo está leída y guardada cada cámara.",
        {
            "show_id": _SHOW,
            "server_id": "servidor",
            "camera_id": "cámara",
            "until_ms": "hasta este instante no falta nada",
        },
    ),
    "aforo_corrections": (
        "Las correcciones de los operadores.",
        {
            "id": "identificador; `deshace:` delante, si deshace otra",
            "show_id": _SHOW,
            "zone": "nombre de la zona",
            "delta": "cuánto se sumó o se restó",
            "reason": "el motivo",
            "author": "quién",
            "at_ms": "cuándo",
        },
    ),
    "aforo_journal": (
        "Caídas, avisos, ejecuciones y lo que no se pudo guardar.",
        {
            "id": "número",
            "show_id": f"{_SHOW}; `NULL`: de ninguno",
            "kind": "de qué trata",
            "subject": "a qué se refiere: una cámara, una zona, una tabla",
            "began_ms": "cuándo empezó",
            "ended_ms": "cuándo acabó; `NULL`: sigue",
            "detail": "lo demás, como JSON o texto",
        },
    ),
    "aforo_totals": (
        "Qué zonas suma cada suma de zonas, en cada evento.",
        {"show_id": "qué evento", "total": "la suma", "zone": "una de sus zonas"},
    ),
    "aforo_push": (
        "Qué procesos reciben las notificaciones de ACC, y con qué clave.",
        {
            "url": "dirección a la que ACC notifica (`push.url`)",
            "instance": "qué proceso, de qué máquina",
            "token": "clave del webhook, la misma para todos",
            "keeps": "1: ese proceso pide y renueva el webhook",
            "seen_ms": "última señal de vida del proceso",
        },
    ),
    "aforo_ended_sessions": (
        "Las sesiones de la página que se cerraron antes de caducar.",
        {"session_key": "de qué sesión", "expires_ms": "cuándo caduca por sí misma"},
    ),
}


def tables() -> str:
    """The stadium's tables and our own, with what each column holds."""
    parts = [
        f"# Tablas\n\n{GENERATED}\n\n"
        "Derechos, tipos y consultas: [sql-server.md](../sql-server.md). Los nombres acabados en `_ms` son\n"
        "milisegundos desde 1970, UTC. El DDL exacto para SQL Server lo imprime `aforo schema`.\n\n## Del estadio\n"
    ]
    for name, (text, columns) in SITE_TABLES.items():
        rows = [(f"`{column}`", meaning) for column, meaning in columns.items()]
        parts.append(f"### `{name}`\n\n{text}\n\n{_table(('columna', 'qué lleva'), rows)}")
    parts.append("## Propias\n")
    for table in metadata.sorted_tables:
        text, meanings = OWN_TABLES[table.name]
        rows3 = [
            (f"`{column.name}`", f"`{_sql_type(column)}`", "sí" if column.primary_key else "", meanings[column.name])
            for column in table.columns
        ]
        parts.append(f"### `{table.name}`\n\n{text}\n\n{_table(('columna', 'tipo', 'clave', 'qué lleva'), rows3)}")
    parts.append("### `aforo_version`\n\nLa versión de estas tablas.\n\n| columna | qué lleva |\n| --- | --- |\n")
    parts[-1] += "| `version_num` | la última migración aplicada |\n"
    return "\n".join(parts)


def _sql_type(column: Column[Any]) -> str:
    """A column's type on SQL Server, without its collation."""
    return column.type.compile(_SQL_SERVER).partition(" COLLATE ")[0]


# HTTP API


def http_api() -> str:
    """Each address of the page's API and each object that it answers, from its OpenAPI description."""
    described = json.loads(OPENAPI.read_text(encoding="utf-8"))
    rows = []
    for path, methods in sorted(described["paths"].items()):
        for method, operation in methods.items():
            names = ", ".join(f"`{one['name']}`" for one in operation.get("parameters", []))
            body = _content(operation.get("requestBody", {}))
            takes = ", ".join(part for part in (names, body) if part)
            codes = ", ".join(sorted(operation["responses"]))
            gives = _content(operation["responses"]["200"])
            rows.append((f"`{method.upper()} {path}`", operation.get("summary", ""), takes, gives, codes))
    parts = [
        f"# API HTTP\n\n{GENERATED}\n\n"
        "La misma descripción, para programas, está en `/openapi.json` de la página, y se prueba en `/docs`.\n\n"
        f"{described['info']['description']}\n\n## Direcciones\n",
        _table(("dirección", "qué hace", "recibe", "responde", "códigos"), rows),
        "## Objetos\n",
    ]
    parts += [_object(name, schema) for name, schema in sorted(described["components"]["schemas"].items())]
    return "\n".join(parts)


def _content(answer: dict[str, Any]) -> str:
    """What a request or an answer carries: a link to the object, or the content type."""
    for kind, content in answer.get("content", {}).items():
        return _type(content["schema"]) if content.get("schema") else f"`{kind}`"
    return ""


def _object(name: str, schema: dict[str, Any]) -> str:
    """One object of the API with its fields; an enumeration with its values."""
    if "enum" in schema:
        return f"### `{name}`\n\n{', '.join(f'`{value}`' for value in schema['enum'])}\n"
    required = schema.get("required", [])
    rows = [
        (f"`{field}`", _type(kind), "" if field in required else "no", kind.get("description", ""))
        for field, kind in schema.get("properties", {}).items()
    ]
    return f"### `{name}`\n\n{_table(('campo', 'tipo', 'siempre', 'qué es'), rows)}"


def _type(schema: dict[str, Any]) -> str:
    """A field's type, in a few words; an object as a link to its table."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[`{name}`](#{name.lower()})"
    for several in ("anyOf", "allOf", "oneOf"):
        if several in schema:
            return " o ".join(_type(one) for one in schema[several])
    if schema.get("type") == "array":
        return f"lista de {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"objeto de {_type(schema['additionalProperties'])}"
    if "const" in schema:
        return f"`{schema['const']}`"
    return f"`{schema.get('format') or schema.get('type', 'cualquiera')}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
