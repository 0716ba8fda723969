"""The table of settings as a page (``docs/ajustes.md``) and as the help of ``--set``, both Spanish."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from aforo.settings.models import Settings
from aforo.settings.table import Row, rows, zone_rows

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
credenciales), donde lo deja `keyring set aforo acc.password`; hace falta el extra `aforo[keyring]`.
Las rutas cuentan desde la carpeta de trabajo. Las listas se escriben en el entorno como JSON.
Un ajuste desconocido o fuera de lo admitido no deja arrancar, y la frase dice cuál es y dónde está.
"""

EXAMPLE = """
```toml
[acc]
url = "https://acc.ejemplo.co:8443"
username = "aforo"
password_file = "secretos/acc-password"

[database]
odbc = "DRIVER={ODBC Driver 17 for SQL Server};SERVER=servidor;DATABASE=AVIGILON;Trusted_Connection=yes"

[[zones]]
name = "Parqueadero Norte"
table = "Aforo_parqueadero"
entries = ["contains:AFORO ENTRADA PARQUEADERO NORTE"]
exits = ["contains:AFORO SALIDA PARQUEADERO NORTE"]
capacity = 900
```
"""

TITLES = {
    "acc": "[acc]: el servidor de las cámaras",
    "database": "[database]: la base de datos",
    "monitor": "[monitor]: las vueltas",
    "log": "[log]: el registro",
    "web": "[web]: la página",
    "alerts": "[alerts]: los avisos",
    "report": "[report]: el acta",
    "events": "[events]: el historial",
    "zones": "[[zones]]: las zonas",
}


def page() -> str:
    """All of ``docs/ajustes.md``."""
    parts = [INTRODUCTION]
    for section in Settings.model_fields:
        own = [row for row in rows().values() if row.name.partition(".")[0] == section]
        parts.append(_section(section, own))
    return "".join(parts)


def _section(section: str, own: list[Row]) -> str:
    title = TITLES[section]
    if section != "zones":
        return f"\n## {title}\n\n{_table(own)}"
    zones = "\n".join(f"- {zone.name}: tabla `{zone.table}`" for zone in Settings().zones)
    note = (
        f"Quien escribe una zona las escribe todas. En el entorno: `{own[0].env}`, como JSON. De fábrica:\n\n{zones}\n"
    )
    return f"\n## {title}\n\n{_table(list(zone_rows().values()), env=False)}\n{note}\n## Un ejemplo\n{EXAMPLE}"


def _table(own: list[Row], *, env: bool = True) -> str:
    head = ("ajuste", "de fábrica", "en el entorno", "qué hace", "se admite")
    lines = [head, ("---",) * len(head)]
    for row in own:
        key = " 🔑" if row.from_file else ""
        variable = f"`{row.env}`" if env else "—"
        lines.append((f"`{row.name}`{key}", default_text(row), variable, row.text, row.allowed))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def default_text(row: Row) -> str:
    """A row's default as the page shows it."""
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


def help_text() -> str:
    """One line for each setting, for ``aforo run --help``'s end."""
    return "\n".join(
        f"  {row.name:24} {row.text} [{_plain(row.default)}]" for row in rows().values() if row.name != "zones"
    )
