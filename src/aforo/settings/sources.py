"""Where settings are written, each source as a layer: name → value and the place it stands at.

The layers know nothing of one another; ``loading`` puts them in order.
"""

import io
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dotenv.parser import parse_stream

from aforo.errors import BadSetting, os_reason
from aforo.settings.table import PREFIX, env_name, known_names, nearest, rows

SECTION = re.compile(r"\s*(\[\[?)\s*([\w.\"' -]+?)\s*\]")
KEY = re.compile(r"\s*([\w.\"'-]+(?:\s*\.\s*[\w\"'-]+)*)\s*=")
TOML_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")
TOML_FAULTS = (
    ("Unescaped", "«\\» entre comillas dobles: escriba la ruta con «/» o entre comillas simples"),
    ("hex", "«\\» entre comillas dobles: escriba la ruta con «/» o entre comillas simples"),
    ("nvalid value", "falta el valor, o un texto va sin comillas"),
    ("nterminated string", "falta cerrar las comillas"),
    ("Expected \"'", "falta cerrar las comillas"),
    ("llegal character", "falta cerrar las comillas, o hay un carácter que no se admite"),
    ("overwrite", "la misma línea está dos veces"),
    ("twice", "la misma sección está dos veces"),
)


class Given(NamedTuple):
    """A value and the place it was given at, in Spanish. ``places`` tells the lines of what is inside it."""

    value: Any
    origin: str
    places: Mapping[str, str] = {}


Layer = dict[str, Given]


def read_text(path: Path, what: str) -> str:
    """The file's text, UTF-8 with or without a mark. ``what`` is Spanish, for the BadSetting when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadSetting(f"{what} {path} no está en UTF-8: guárdelo como texto UTF-8.") from exc
    except OSError as exc:
        raise BadSetting(f"{what} {path} no se puede leer ({os_reason(exc)}).") from exc


def from_toml(path: Path) -> Layer:
    """``aforo.toml``; raises BadSetting with line and column for what is no TOML, and for names nobody knows."""
    text = read_text(path, "El archivo de ajustes")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise BadSetting(_toml_fault(path, text, str(exc))) from exc
    places = {name: f"{path}:{line}" for name, line in _toml_lines(text).items()}
    layer: Layer = {}
    for name, value in _flat(document):
        origin = places.get(name, str(path))
        if name not in known_names():
            raise BadSetting(f"Ajuste desconocido: {name} ({origin}).{nearest(name, known_names())}")
        layer[name] = Given(value, origin, places)
    return layer


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _toml_fault(path: Path, text: str, message: str) -> str:
    at = TOML_AT.search(message)
    written = text.rstrip().split("\n")  # a fault "at end of document" is one of the last line that is not empty
    line, column = (at[1], at[2]) if at and at[1] else (len(written), len(written[-1]) + 1)
    reason = next((spanish for english, spanish in TOML_FAULTS if english in message), "revise esa línea")
    return f"{path}, línea {line}, columna {column}: no es TOML válido ({reason})."


def _toml_lines(text: str) -> dict[str, int]:
    """At which line each name stands. tomllib does not tell; this is right for files as people write them."""
    lines: dict[str, int] = {}
    prefix, tables = "", Counter[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := SECTION.match(line):
            name = _bare(header[2])
            prefix = f"{name}.{tables[name]}." if header[1] == "[[" else f"{name}."
            tables[name] += header[1] == "[["
            lines.setdefault(name, number)
            lines.setdefault(prefix.rstrip("."), number)
        elif key := KEY.match(line):
            lines.setdefault(prefix + _bare(key[1]), number)
    return lines


def _bare(name: str) -> str:
    return re.sub(r"[\s\"']", "", name)


def from_dotenv(path: Path) -> Layer:
    """``.env``; its values are taken as they stand, a ``$`` in a password included."""
    pairs = []
    for binding in parse_stream(io.StringIO(read_text(path, "El archivo"))):
        before = binding.original.string
        line = binding.original.line + before[: len(before) - len(before.lstrip())].count("\n")
        origin = f"{path}:{line}"
        if binding.error:
            raise BadSetting(f"{origin}: no se entiende esa línea; se admite NOMBRE=valor.")
        pairs.append((binding.key or "", binding.value or "", origin))
    return _from_variables(pairs)


def from_environment(environ: Mapping[str, str]) -> Layer:
    """The variables ``AFORO_SECTION__NAME``."""
    return _from_variables((key, value, f"variable de entorno {key}") for key, value in environ.items())


def _from_variables(pairs: Iterable[tuple[str, str, str]]) -> Layer:
    known = {env_name(name): name for name in known_names()}
    layer: Layer = {}
    for key, value, origin in pairs:
        if not key.upper().startswith(PREFIX):
            continue
        name = known.get(key.upper())
        if name is None:
            where = origin.removesuffix(f" {key}")
            raise BadSetting(f"Ajuste desconocido: {key} ({where}).{nearest(key.upper(), known)}")
        layer[name] = Given(_from_text(name, value), origin)
    return layer


def from_credentials(folder: Path) -> Layer:
    """The folder in which systemd leaves credentials: a file for each setting, named like it."""
    layer: Layer = {}
    for row in rows().values():
        path = folder / row.name
        if row.from_file and path.is_file():
            layer[row.name] = Given(read_secret(path, row.name), f"credencial {path}")
    return layer


def from_flags(pairs: Iterable[str]) -> Layer:
    """``--set section.name=value``; a secret is refused there, since everybody can read a process's arguments."""
    layer: Layer = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals:
            raise BadSetting("--set espera seccion.nombre=valor, como --set acc.timeout=20.")
        if name not in known_names():
            raise BadSetting(f"Ajuste desconocido: {name} (--set).{nearest(name, known_names())}")
        if _shows_secret(name, value):
            raise BadSetting(
                f"El ajuste {name} es un secreto y no se admite en la línea de comandos, que cualquiera puede leer: "
                f"use --set {name}_file=ARCHIVO, {env_name(name)} en .env o en el entorno."
            )
        layer[name] = Given(_from_text(name, value), "--set")
    return layer


def _shows_secret(name: str, value: str) -> bool:
    if name == "database.url":
        return bool(re.search(r"://[^/@]*:[^/]*@", value))
    return name in rows() and rows()[name].secret


def _from_text(name: str, value: str) -> Any:
    """Lists may be written as JSON, or with commas where a comma cannot be part of a value."""
    if name not in rows() or not rows()[name].is_list:
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value  # refused later, with the sentence that names the setting and where it stands
    return value if name == "zones" else [part.strip() for part in value.split(",") if part.strip()]


def with_secrets_read(layer: Layer) -> Layer:
    """The layer with each ``…_file`` replaced by what its file holds; raises BadSetting for one given both ways."""
    read: Layer = {}
    for name, given in layer.items():
        if name in rows():
            read[name] = given
            continue
        target = name.removesuffix("_file")
        if target in layer:
            raise BadSetting(f"Los ajustes {target} y {name} están los dos ({given.origin}): se admite uno solo.")
        if not isinstance(given.value, str) or not given.value:
            raise BadSetting(f"El ajuste {name} ({given.origin}) no sirve: se admite la ruta de un archivo.")
        path = Path(given.value)
        read[target] = Given(read_secret(path, name, given.origin), f"archivo {path} ({name}, {given.origin})")
    return read


def read_secret(path: Path, name: str, origin: str = "") -> str:
    """What a file of a secret holds, without the end of its line; raises BadSetting when there is nothing."""
    place = f", {origin}" if origin else ""
    text = read_text(path, f"El archivo del ajuste {name}{place}:").rstrip("\r\n")
    if not text:
        raise BadSetting(f"El archivo {path} del ajuste {name}{place} está vacío: escriba en él el valor.")
    return text
