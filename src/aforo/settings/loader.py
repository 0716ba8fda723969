"""Read the settings from all sources, and report what cannot be used in one Spanish sentence.

Sources, later ones win: the defaults, ``aforo.toml``, ``.env``, systemd's credentials, the environment, flags. Each one
is a layer: a value by setting name, with the place it was read from. Paths are relative to the working folder.
"""

import io
import json
import os
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dotenv.parser import parse_stream
from pydantic import ValidationError

from aforo.errors import BadSetting
from aforo.settings.credentials import contains_password, without_password
from aforo.settings.models import Settings
from aforo.settings.reference import LISTS, PREFIX, env_name, known_names, rows, suggestion, table_rows
from aforo.text_file import curly_quote, misleading, read_text

SHOWN = 80  # characters of a rejected value in a sentence
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
_NOT_WRITTEN = frozenset({"Cc", "Cs"})  # Unicode's categories of control characters and of halves of a letter
_CONTROLS = {"\t": "«\\t», un tabulador", "\n": "«\\n», un salto de línea", "\r": "«\\r», un retorno"}
_SINGLE_QUOTES = (
    "Entre comillas dobles, «\\» no es una barra: escriba el valor entre comillas simples, en una sola línea."
)
_ONE_LINE = "Escriba el valor en una sola línea, sin ese carácter."
VARIABLE = re.compile(r"\w+")
KEYRING_PREFIX, KEYRING_SERVICE = "keyring:", "aforo"


class Given(NamedTuple):
    """A value and its origin in Spanish. ``places`` has the origins of the parts of a list.

    ``doubt``: a Spanish sentence where the value may not be what was meant.
    """

    value: Any
    origin: str
    places: Mapping[str, str] = {}
    doubt: str = ""


Layer = dict[str, Given]


def load(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    flags: Sequence[str] = (),
    named: Mapping[str, Given] | None = None,
) -> Settings:
    """Read all sources and return the settings.

    ``flags`` are ``section.name=value``; ``named`` wins over everything and has its own origins. Raises BadSetting, one
    Spanish sentence, for the first value that cannot be used.
    """
    merged: Layer = {}
    for layer in _layers(environ, config, flags):
        merged |= _with_secret_files(layer)
    return validated(_with_keyring(merged) | dict(named or {}))


def _layers(environ: Mapping[str, str], config: Path | None, flags: Sequence[str]) -> list[Layer]:
    toml, dotenv = config or Path("aforo.toml"), Path(".env")
    layers = [_from_toml(toml)] if config or toml.exists() else []
    if dotenv.exists():
        layers.append(_from_dotenv(dotenv))
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        layers.append(_from_credentials(Path(folder)))
    return [*layers, _from_environment(environ), _from_flags(flags)]


def environment_for_child(**added: str) -> dict[str, str]:
    """Return the environment for a process that this one starts: without the settings, which hold secrets."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith((PREFIX, "CREDENTIALS_"))}
    return kept | added


# Sources


def _from_toml(path: Path) -> Layer:
    """Read ``aforo.toml``. Raises BadSetting with line and column for invalid TOML, and for unknown names."""
    text = read_text(path, BadSetting, "El archivo de ajustes ")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise BadSetting(_toml_sentence(path, text, str(exc))) from exc
    except (RecursionError, ValueError) as exc:  # too deep, or an integer of thousands of digits
        raise BadSetting(f"{path} no es lo que se espera: revise sus listas y sus números.") from exc
    places = {name: f"{path}:{line}" for name, line in _toml_lines(text).items()}
    layer: Layer = {}
    for name, value in _flat(document):
        origin = places.get(name, str(path))
        if name not in known_names():
            raise BadSetting(f"Ajuste desconocido: {name} ({origin}).{suggestion(name, known_names())}")
        layer[name] = Given(_printable(name, value, origin, _SINGLE_QUOTES), origin, places)
    return layer


def _printable(name: str, value: Any, origin: str, advice: str = _ONE_LINE) -> Any:
    """Return the value. Raises BadSetting for a control character in it, such as the tab of "C:\\temp"."""
    character = next((one for text in _texts(value) for one in text if unicodedata.category(one) in _NOT_WRITTEN), "")
    if character:
        what = _CONTROLS.get(character, f"U+{ord(character):04X}")
        raise BadSetting(f"El ajuste {name} ({origin}) tiene un carácter de control ({what}). {advice}")
    return value


def _texts(value: Any) -> Iterator[str]:
    """Give every text in a value, those of lists and tables too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in (*value.keys(), *value.values()):
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _toml_sentence(path: Path, text: str, message: str) -> str:
    at = TOML_AT.search(message)
    written = text.rstrip().split("\n")  # "at end of document" means the last line that is not empty
    line, column = (int(at[1]), int(at[2])) if at and at[1] else (len(written), len(written[-1]) + 1)
    shown = text.split("\n")[line - 1]
    reason = misleading(shown[column - 1 : column]) or (misleading(curly_quote(shown)) if "llegal" in message else "")
    reason = reason or next((spanish for english, spanish in TOML_FAULTS if english in message), "revise esa línea")
    return f"{path}, línea {line}, columna {column}: no es TOML válido ({reason})."


def _toml_lines(text: str) -> dict[str, int]:
    """Return the line of each name. tomllib does not report it; this is right for files as people write them."""
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


def _from_dotenv(path: Path) -> Layer:
    """Read ``.env``. Values are taken literally, a ``$`` in a password included."""
    layer: Layer = {}
    for binding in parse_stream(io.StringIO(read_text(path, BadSetting, "El archivo "))):
        before = binding.original.string
        line = binding.original.line + before[: len(before) - len(before.lstrip())].count("\n")
        origin, key = f"{path}:{line}", binding.key or ""
        is_ours = key.upper().startswith(PREFIX)
        if binding.error or (is_ours and (binding.value is None or not VARIABLE.fullmatch(key))):
            raise BadSetting(f"{origin}: no se entiende esa línea; se admite NOMBRE=valor.")
        if is_ours:
            name, value = _from_variable(key, binding.value or "", origin)
            doubt = _cut_at_comment(key, before, origin)
            layer[name] = Given(_printable(name, value, origin, _SINGLE_QUOTES), origin, doubt=doubt)
    return layer


def _cut_at_comment(key: str, line: str, origin: str) -> str:
    """Return the doubt about a value without quotes that ends before « #»; "" for any other."""
    written = line.partition("=")[2]
    if written.lstrip()[:1] in {"'", '"'} or not re.search(r"\s#", written):
        return ""
    return (
        f"{origin}: el valor de {key} acaba donde empieza « #», y lo demás se toma por un comentario. Si es parte del"
        " valor, escríbalo entre comillas simples."
    )


def _from_environment(environ: Mapping[str, str]) -> Layer:
    """Read the variables ``AFORO_SECTION__NAME``."""
    layer: Layer = {}
    for key, text in environ.items():
        if key.upper().startswith(PREFIX):
            origin = f"variable de entorno {key}"
            name, value = _from_variable(key, text, origin)
            layer[name] = Given(_printable(name, value, origin), origin)
    return layer


def _from_variable(key: str, text: str, origin: str) -> tuple[str, Any]:
    """Return the setting of a variable and its value. Raises BadSetting for an unknown one."""
    known = {env_name(name): name for name in known_names()}
    name = known.get(key.upper())
    if name is None:
        where = origin.removesuffix(f" {key}")
        raise BadSetting(f"Ajuste desconocido: {key} ({where}).{suggestion(key.upper(), known)}")
    return name, _from_text(name, text)


def _from_credentials(folder: Path) -> Layer:
    """Read the folder in which systemd leaves credentials: one file per setting, with the setting's name."""
    layer: Layer = {}
    for row in rows().values():
        path = folder / row.name
        if row.from_file and path.is_file():
            layer[row.name] = Given(_read_secret(path, row.name), f"credencial {path}")
    return layer


def _from_flags(pairs: Iterable[str]) -> Layer:
    """Read ``--set section.name=value``. Secrets are rejected: every user can read a process's arguments."""
    layer: Layer = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals:
            raise BadSetting("--set espera seccion.nombre=valor, como --set acc.timeout=20.")
        if name not in known_names():
            raise BadSetting(f"Ajuste desconocido: {name} (--set).{suggestion(name, known_names())}")
        if _contains_secret(name, value):
            raise BadSetting(
                f"El ajuste {name} es un secreto y no se admite en la línea de comandos, que cualquiera puede leer: "
                f"use --set {name}_file=ARCHIVO, {env_name(name)} en .env o en el entorno."
            )
        layer[name] = Given(_printable(name, _from_text(name, value), "--set"), "--set")
    return layer


def _contains_secret(name: str, value: str) -> bool:
    if name == "database.url":
        return contains_password(value)
    return name in rows() and rows()[name].secret


def _from_text(name: str, value: str) -> Any:
    """Parse a list, written as JSON or, but for lists of tables, separated by commas. Other values stay as they are."""
    if name not in rows() or not rows()[name].is_list:
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value  # validation rejects it, with a sentence that names the setting and its origin
    return value if name in LISTS else [part.strip() for part in value.split(",") if part.strip()]


# Secrets in files and in the keyring


def _with_secret_files(layer: Layer) -> Layer:
    """Return the layer with each ``…_file`` replaced by the file's content. Raises BadSetting if both are given."""
    resolved: Layer = {}
    for name, given in layer.items():
        if name in rows():
            resolved[name] = given
            continue
        target = name.removesuffix("_file")
        if target in layer:
            raise BadSetting(f"Los ajustes {target} y {name} están los dos ({given.origin}): se admite uno solo.")
        if not isinstance(given.value, str) or not given.value:
            raise BadSetting(f"El ajuste {name} ({given.origin}) no sirve: se admite la ruta de un archivo.")
        path = Path(given.value)
        origin = f"archivo {path} ({name}, {given.origin})"
        resolved[target] = Given(_read_secret(path, name, given.origin), origin, doubt=given.doubt)
    return resolved


def _read_secret(path: Path, name: str, origin: str = "") -> str:
    """Return the file's content without its line end. Raises BadSetting for an empty file."""
    place = f", {origin}" if origin else ""
    text = read_text(path, BadSetting, f"El archivo del ajuste {name}{place}: ").rstrip("\r\n")
    if not text:
        raise BadSetting(f"El archivo {path} del ajuste {name}{place} está vacío: escriba en él el valor.")
    _printable(name, text, f"archivo {path}{place}")
    return text


def _with_keyring(layer: Layer) -> Layer:
    """Return the layer with each ``keyring:`` replaced by the secret that the system's credential store has.

    ``acc.password = "keyring:"`` means the service «aforo» and the user «acc.password»; ``keyring:NAME`` means another
    service. The library is an extra of the package. Raises BadSetting for a secret that is not there.
    """
    return {name: _from_keyring(name, given) if _is_in_keyring(name, given) else given for name, given in layer.items()}


def _is_in_keyring(name: str, given: Given) -> bool:
    row = rows().get(name)
    from_file = row is not None and row.from_file
    return from_file and isinstance(given.value, str) and given.value.startswith(KEYRING_PREFIX)


def _from_keyring(name: str, given: Given) -> Given:
    service = given.value.removeprefix(KEYRING_PREFIX).strip() or KEYRING_SERVICE
    try:
        import keyring  # noqa: PLC0415 -- an extra
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError as exc:
        raise BadSetting(
            f"El ajuste {name} ({given.origin}) está en el almacén del sistema, y falta con qué leerlo.",
            remedy="Instale esa biblioteca (keyring) con «python3 dev.py install --extras».",
        ) from exc
    try:
        secret = keyring.get_password(service, name)
    except (KeyringError, RuntimeError) as exc:
        raise BadSetting(
            f"El almacén de credenciales del sistema no da {name} ({given.origin}).",
            remedy="Compruebe que esta cuenta lo puede abrir, o use un archivo (…_file).",
        ) from exc
    if not secret:
        raise BadSetting(
            f"El almacén de credenciales del sistema no tiene «{name}» del servicio «{service}» ({given.origin}).",
            remedy=f"Guárdelo con la cuenta que ejecuta el programa: keyring set {service} {name}",
        )
    return Given(secret, f"almacén de credenciales, servicio {service} ({given.origin})")


# Validation


def validated(given: Layer) -> Settings:
    """Return the settings of one layer. Raises BadSetting for a value that is not allowed."""
    tree: dict[str, Any] = {}
    for name, one in given.items():
        section, _, key = name.partition(".")
        if key:
            tree.setdefault(section, {})[key] = one.value
        else:
            tree[section] = one.value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as exc:
        raise BadSetting(_sentence(exc, given)) from None  # the cause holds the value, which may be a secret
    settings.set_origins({name: one.origin for name, one in given.items()})
    settings.set_doubts(one.doubt for one in given.values() if one.doubt)
    return settings


def _sentence(failure: ValidationError, given: Layer) -> str:
    """Return the Spanish sentence of pydantic's first error."""
    fault = failure.errors(include_url=False)[0]
    loc = fault["loc"]
    if fault["type"] == "aforo":
        return _section_sentence(fault["msg"], loc, given)
    section = str(loc[0])
    if section in LISTS and len(loc) > 1:
        return _table_sentence(fault, section, given[section])
    name = section if section in LISTS else ".".join(str(part) for part in loc[:2])
    if fault["type"] == "rule":
        return _rule_sentence(name, "", given[name].origin, fault["ctx"])
    return _value_sentence(name, given[name], rows()[name].allowed, secret=rows()[name].secret)


def _section_sentence(message: str, loc: tuple[int | str, ...], given: Layer) -> str:
    section = str(loc[0]) if loc else message.partition(":")[0]
    origins = (one.origin for name, one in given.items() if name.partition(".")[0] == section)
    return f"{message[0].upper()}{message[1:]} ({', '.join(dict.fromkeys(origins)) or 'valor de fábrica'})."


def _table_sentence(fault: Any, section: str, tables: Given) -> str:
    """Return the sentence of a fault in one of the tables of a list."""
    loc = fault["loc"]
    number = int(loc[1])
    key = str(loc[2]) if len(loc) > 2 else ""
    place = f"{section}.{number}.{key}" if key else f"{section}.{number}"
    origin = tables.places.get(place) or tables.places.get(f"{section}.{number}") or tables.origin
    which = f" de la {'zona' if section == 'zones' else 'suma'} {number + 1}"
    name = f"{section}.{key or '…'}{which}"
    if fault["type"] == "rule":
        return _rule_sentence(f"{section}.{key}", which, origin, fault["ctx"])
    if fault["type"] == "missing":
        return f"Falta el ajuste {name} ({origin}): se admite {table_rows(section)[key].allowed}."
    if fault["type"] == "extra_forbidden":
        return f"Ajuste desconocido: {name} ({origin}).{suggestion(key, table_rows(section))}"
    allowed = table_rows(section)[key].allowed if key else rows()[section].allowed
    return _value_sentence(name, Given(fault["input"], origin), allowed, secret=False)


def _rule_sentence(name: str, which: str, origin: str, context: Mapping[str, str]) -> str:
    """Return the sentence of a fault in a rule that is a table; ``context``: the key, its value, what is allowed."""
    name = f"{name}.{context['key']}" if context["key"] else name
    return _value_sentence(f"{name}{which}", Given(context["shown"], origin), context["allowed"], secret=False)


def _value_sentence(name: str, given: Given, allowed: str, *, secret: bool) -> str:
    if secret:
        return f"El valor del ajuste {name} ({given.origin}; no se muestra) no sirve: se admite {allowed}."
    shown = without_password(str(given.value))
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"
    return f"El ajuste {name} no admite «{shown}» ({given.origin}): se admite {allowed}."
