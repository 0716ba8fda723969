"""The rights that the service's account needs: checked at the start, granted by the administrator's script.

The script makes all that the service needs, where the service's account may not.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateTable

from aforo.errors import BadCommand, StoreNotReady
from aforo.models import Zone
from aforo.settings import HISTORY_TABLE
from aforo.storage.backends.backend import Backend
from aforo.storage.backends.tsql import quoted
from aforo.storage.schema import migrate, tables
from aforo.storage.site_tables.reflection import document_table
from aforo.storage.site_tables.tables import HISTORY_COLUMNS, ZONE_COLUMNS

_ADDED = ("SELECT", "INSERT")  # what is written there stays as it is
_CHANGED = (*_ADDED, "UPDATE")
_CLEARED = (*_CHANGED, "DELETE")
OWN = {  # on our tables; nothing that was counted can be deleted
    tables.event_records.name: _CHANGED,
    tables.servers.name: _ADDED,
    tables.sources.name: _ADDED,
    tables.events.name: _CHANGED,
    tables.minutes.name: _CLEARED,
    tables.totals.name: (*_ADDED, "DELETE"),
    tables.checkpoints.name: _CLEARED,
    tables.corrections.name: _CHANGED,
    tables.journal.name: _CHANGED,
    tables.push.name: _CLEARED,
    tables.ended_sessions.name: (*_ADDED, "DELETE"),
}
ZONE = ("SELECT", "INSERT", "UPDATE")  # on a zone's table; granted on the history's too
HISTORY = ("SELECT", "INSERT")  # required on eventos_Analisis: UPDATE is for edited events only
_HEADER = """\
-- Aforo: lo que el servicio necesita en SQL Server. Ejecútelo quien administra la base, en esa base (USE …).
-- Las tablas del estadio que ya existan se quedan como están.
"""
_HEADER_BACK = """\
-- Aforo: las tablas aforo_… vuelven a una versión anterior. Detenga antes el servicio; no se pierde ningún evento.
-- Ejecútelo quien administra la base, en esa base (USE …). Las tablas del estadio se quedan como están.
"""


# Of our tables, those that 1.0 did not have.
NEW = frozenset({tables.ended_sessions.name, tables.totals.name, tables.push.name})


def check_rights(
    connection: Connection, backend: Backend, history: str, zones: Sequence[str], *, newest: bool = True
) -> None:
    """Raise StoreNotReady naming the rights that this account lacks on our tables, the history's and the zones'.

    Without ``newest`` our tables are those of an earlier version.
    """
    wanted = [(name, right) for name, rights in OWN.items() if newest or name not in NEW for right in rights]
    wanted += [(history, right) for right in HISTORY]
    wanted += [(name, right) for name in zones for right in ZONE]
    missing = backend.missing_rights(connection, wanted)
    if missing:
        raise StoreNotReady(
            f"A la cuenta le faltan permisos en {backend.name}: "
            + ", ".join(f"{right} en {table}" for table, right in missing)
            + ".",
            "Sin ellos no se guarda nada.",
            "Entregue al administrador lo que imprime «aforo schema».",
        )


def schema_sql(zones: Sequence[Zone], account: str = "aforo", since: str | None = None) -> str:
    """The whole script: the site tables where missing, our own from version ``since`` on, and the grants.

    Raises BadCommand for a version that there never was.
    """
    if since is not None:
        _check_version("--since", since)
    parts = [_HEADER]
    for name, columns in _site_tables(zones):
        parts.append(_table_where_missing(name, columns))
    parts += filter(None, [migrate.script(since)])
    parts.append(f"-- Los permisos de la cuenta del servicio: {account}.")
    grants = [*OWN.items(), (migrate.VERSION_TABLE, ("SELECT",))]
    grants += [(name, ZONE) for name, _ in _site_tables(zones)]
    parts.append(
        "\n".join(f"GRANT {', '.join(granted)} ON {quoted(name)} TO {quoted(account)};" for name, granted in grants)
    )
    return "\n\n".join(parts) + "\n"


def schema_back(target: str) -> str:
    """The script that brings our tables back to version ``target``; the site tables stay as they are.

    Raises BadCommand for a version that there never was.
    """
    _check_version("--back", target)
    return "\n\n".join([_HEADER_BACK, *filter(None, [migrate.script_back(target)])]) + "\n"


def _check_version(option: str, version: str) -> None:
    if version not in migrate.KNOWN:
        known = ", ".join(sorted(migrate.KNOWN))
        raise BadCommand(
            f"{option} «{version}» no es una versión de las tablas aforo_….", remedy=f"Se admite: {known}."
        )


def _site_tables(zones: Sequence[Zone]) -> list[tuple[str, tuple[str, ...]]]:
    return [(HISTORY_TABLE, HISTORY_COLUMNS), *((zone.table, ZONE_COLUMNS) for zone in zones if zone.table)]


def _table_where_missing(name: str, columns: Sequence[str]) -> str:
    schema_name, _, bare = name.rpartition(".")
    kind: Any = mssql.dialect
    create = str(CreateTable(document_table(bare, columns, schema_name or None)).compile(dialect=kind()))
    lines = "\n".join(line.rstrip() for line in create.strip().splitlines()).replace("\t", "    ")
    return f"IF OBJECT_ID(N'{quoted(name)}') IS NULL\n{lines};\n\nGO"
