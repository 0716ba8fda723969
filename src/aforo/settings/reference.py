"""The reference of all settings: as rows, and as the page ``docs/ajustes.md`` (Spanish)."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from aforo.settings.models import Settings, TotalSettings, ZoneSettings

PREFIX = "AFORO_"

INTRODUCTION = """\
# Ajustes

<!-- Se genera con «python3 dev.py docs» a partir de src/aforo/settings/models.py: no se edita a mano. -->

Cada ajuste se puede escribir en varios sitios. Gana el último de esta lista:

1. el valor de fábrica, el de las tablas de abajo;
2. `aforo.toml`, en la carpeta de trabajo, o el archivo de `--config`;
3. `.env`, en la carpeta de trabajo;
4. las credenciales de systemd (`LoadCredential=acc.password:…`: un archivo con el nombre del ajuste);
5. la variable de entorno de la tercera columna;
6. `--set seccion.nombre=valor` en la línea de comandos, salvo los secretos.

Los ajustes marcados con 🔑 admiten también `…_file` (en el entorno, `…_FILE`): la ruta de un archivo que guarda el
valor. O el valor `keyring:`: se lee del almacén de credenciales del sistema (en Windows, el Administrador de
credenciales), donde lo deja `keyring set aforo acc.password`; hace falta lo que añade `dev.py install --extras`.
Las rutas cuentan desde la carpeta de trabajo. Las listas se escriben en el entorno como JSON.
Un ajuste desconocido o fuera de lo admitido no deja arrancar, y la frase dice cuál es y dónde está.
Los textos van entre comillas simples: entre dobles, `"C:\\temp"` lleva un tabulador, y no se admite. En `.env`, un
valor sin comillas acaba donde empieza ` #`; lo demás es un comentario, y el arranque lo dice.
"""

EXAMPLE = """
```toml
[acc]
url = "https://acc.ejemplo.co:8443"
username = "aforo"
password_file = "secretos/acc-password"

[database]
odbc = 'DRIVER={ODBC Driver 17 for SQL Server};SERVER=servidor;DATABASE=AVIGILON;Trusted_Connection=yes'

[[zones]]
name = "Parqueadero Norte"
table = "Aforo_parqueadero"
entries = ["contains:AFORO ENTRADA PARQUEADERO NORTE"]
exits = ["contains:AFORO SALIDA PARQUEADERO NORTE"]
capacity = 900

[[zones]]
name = "Personas en el estadio"
table = ""
entries = [{activity = "OBJECT_COUNTING_ENTER", stored = true}]
exits = [{activity = "OBJECT_COUNTING_EXIT", stored = true}]
capacity = 36000
```
"""

RULE_TABLES = """\
Una regla escrita como texto mira el nombre (`analyticEventName`). Escrita como tabla mira más, y han de cumplirse todas
sus condiciones:

| condición | qué mira | se admite |
| --- | --- | --- |
| `name` | el `analyticEventName` | «contains:TEXTO», «equals:TEXTO» o el texto entero |
| `activity` | la actividad, como `OBJECT_COUNTING_ENTER` | lo mismo |
| `area` | el área | lo mismo |
| `camera` | el id de la cámara, con sus mayúsculas y minúsculas | lo mismo |
| `stored` | que el historial guarde el evento (`events.stored`) | true; en `events.stored`, no |

`entries = [{name = "contains:PUERTA", activity = "OBJECT_COUNTING_ENTER"}]` cuenta como entrada lo que entra por las
puertas, y deja lo que sale para `exits`.
"""
FACTORY_TOTALS = "De fábrica, mientras existan sus zonas:"

TITLES = {
    "acc": "[acc]: el servidor de las cámaras",
    "database": "[database]: la base de datos",
    "monitor": "[monitor]: las vueltas",
    "log": "[log]: el registro",
    "web": "[web]: la página",
    "push": "[push]: las notificaciones del servidor de cámaras",
    "alerts": "[alerts]: los avisos",
    "report": "[report]: el acta",
    "estimate": "[estimate]: entre cuánto y cuánto está el aforo",
    "events": "[events]: el historial",
    "zones": "[[zones]]: las zonas",
    "totals": "[[totals]]: las sumas de zonas",
}


class Row(NamedTuple):
    """One setting. ``text`` and ``allowed`` are Spanish; a ``secret`` is neither shown nor accepted as a flag."""

    name: str
    default: Any
    text: str
    allowed: str
    secret: bool
    from_file: bool
    is_list: bool

    @property
    def env(self) -> str:
        """The setting's environment variable."""
        return env_name(self.name)


def env_name(name: str) -> str:
    """Return the environment variable of a setting: ``acc.timeout`` → ``AFORO_ACC__TIMEOUT``."""
    return PREFIX + name.replace(".", "__").upper()


def _row(prefix: str, name: str, field: FieldInfo) -> Row:
    extra = cast("dict[str, Any]", field.json_schema_extra)
    secret = field.annotation is SecretStr or bool(extra.get("secret"))
    is_list = getattr(field.annotation, "__origin__", None) is list
    return Row(
        prefix + name, field.default, field.description or "", extra["allowed"], secret, extra["from_file"], is_list
    )


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _rows(field.annotation, f"{prefix}{name}.")
        else:
            yield _row(prefix, name, field)


@cache
def rows() -> dict[str, Row]:
    """Return every setting by its name, in the order of the classes."""
    return {row.name: row for row in _rows(Settings)}


LISTS: Mapping[str, type[BaseModel]] = {"zones": ZoneSettings, "totals": TotalSettings}  # sections of tables


@cache
def table_rows(section: str) -> dict[str, Row]:
    """Return what a ``[[zones]]`` or a ``[[totals]]`` table may contain, by name."""
    return {row.name: row for row in _rows(LISTS[section])}


@cache
def known_names() -> frozenset[str]:
    """Return every name that may be set: the settings, and their ``…_file`` twins."""
    twins = (f"{row.name}_file" for row in rows().values() if row.from_file)
    return frozenset((*rows(), *twins))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that suggests the most similar known name; "" when none is similar."""
    found = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" ¿Quiso decir {found[0]}?" if found else ""


def page() -> str:
    """Return the text of ``docs/ajustes.md``."""
    parts = [INTRODUCTION]
    for section in Settings.model_fields:
        section_rows = [row for row in rows().values() if row.name.partition(".")[0] == section]
        parts.append(_section(section, section_rows))
    return "".join(parts)


def _section(section: str, section_rows: list[Row]) -> str:
    title = TITLES[section]
    if section not in LISTS:
        return f"\n## {title}\n\n{_table(section_rows)}"
    table = _table(list(table_rows(section).values()), env=False)
    variable = section_rows[0].env
    if section == "zones":
        zones = "".join(f"- {zone.name}: {_table_of(zone)}\n" for zone in Settings().zones)
        note = f"Quien escribe una zona las escribe todas. En el entorno: `{variable}`, como JSON. De fábrica:\n"
        return f"\n## {title}\n\n{table}\n{note}\n{zones}\n{RULE_TABLES}"
    totals = "".join(f"- {total.name}: {', '.join(total.zones)}\n" for total in Settings().totals)
    note = f"El aforo de una suma es el de sus zonas sumado. En el entorno: `{variable}`, como JSON. {FACTORY_TOTALS}\n"
    return f"\n## {title}\n\n{table}\n{note}\n{totals}\n## Un ejemplo\n{EXAMPLE}"


def _table_of(zone: ZoneSettings) -> str:
    return f"tabla `{zone.table}`" if zone.table else "sin tabla; lo que el historial guarda, según entre o salga"


def _table(section_rows: list[Row], *, env: bool = True) -> str:
    head = ("ajuste", "de fábrica", "en el entorno", "qué hace", "se admite")
    lines = [head, ("---",) * len(head)]
    for row in section_rows:
        key = " 🔑" if row.from_file else ""
        variable = f"`{row.env}`" if env else "—"
        lines.append((f"`{row.name}`{key}", default_text(row), variable, row.text, row.allowed))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def default_text(row: Row) -> str:
    """Return a setting's default as the page shows it."""
    text = _plain(row.default)
    return f"`{text}`" if text else "—"


def _plain(default: Any) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, list):
        return "` `".join(str(part) for part in default)
    if default is None or default is ... or "Undefined" in type(default).__name__:
        return ""
    return default.as_posix() if isinstance(default, Path) else str(default)
