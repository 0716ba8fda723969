"""The T-SQL that makes what the service needs: for the administrator, where the service's account may not."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateTable

from aforo.errors import BadCommand
from aforo.models import Zone
from aforo.settings.models import HISTORY_TABLE
from aforo.storage.backends.tsql import quoted
from aforo.storage.schema import migrate, rights
from aforo.storage.site_tables.reflection import document_table
from aforo.storage.site_tables.tables import HISTORY_COLUMNS, ZONE_COLUMNS

_HEADER = """\
-- Aforo: lo que el servicio necesita en SQL Server. Ejecútelo quien administra la base, en esa base (USE …).
-- Las tablas del estadio que ya existan se quedan como están.
"""


def schema_sql(zones: Sequence[Zone], account: str = "aforo", since: str | None = None) -> str:
    """The whole script: the stadium's tables where missing, our own from version ``since`` on, and the grants.

    Raises BadCommand for a version that there never was.
    """
    if since is not None and since not in migrate.KNOWN:
        known = ", ".join(sorted(migrate.KNOWN))
        raise BadCommand(f"--since «{since}» no es una versión de las tablas aforo_….", remedy=f"Se admite: {known}.")
    parts = [_HEADER]
    for name, columns in _stadium(zones):
        parts.append(_table_where_missing(name, columns))
    parts += filter(None, [migrate.script("mssql", since).strip()])
    parts.append(f"-- Los permisos de la cuenta del servicio: {account}.")
    grants = [*rights.OWN.items(), (migrate.VERSION_TABLE, ("SELECT",))]
    grants += [(name, rights.STADIUM) for name, _ in _stadium(zones)]
    parts.append(
        "\n".join(f"GRANT {', '.join(granted)} ON {quoted(name)} TO {quoted(account)};" for name, granted in grants)
    )
    return "\n\n".join(parts) + "\n"


def _stadium(zones: Sequence[Zone]) -> list[tuple[str, tuple[str, ...]]]:
    return [(HISTORY_TABLE, HISTORY_COLUMNS), *((zone.table, ZONE_COLUMNS) for zone in zones)]


def _table_where_missing(name: str, columns: Sequence[str]) -> str:
    schema_name, _, bare = name.rpartition(".")
    kind: Any = mssql.dialect
    create = str(CreateTable(document_table(bare, columns, schema_name or None)).compile(dialect=kind()))
    lines = "\n".join(line.rstrip() for line in create.strip().splitlines()).replace("\t", "    ")
    return f"IF OBJECT_ID(N'{quoted(name)}') IS NULL\n{lines};\n\nGO"
