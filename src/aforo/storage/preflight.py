"""All that the job does to the database, done once and rolled back: what is missing is known before the event."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, inspect

from aforo.errors import StoreNotReady, StoreRejectedRow
from aforo.models import MINUTE_MS, Zone, from_ms
from aforo.settings import HISTORY_TABLE
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.journal import Journal
from aforo.storage.schema import migrate
from aforo.storage.schema.grants import check_rights
from aforo.storage.site_tables.tables import NO_EVENT, RenameRejected, SiteTables

_EVENT = "aforo check"  # the event of the rows that are rolled back
_AT_MS = 0


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found. ``version``: of our tables, None where there are none yet; the site tables, there or missing.

    ``kept``: why our tables stay at that version; None where they are of the newest or can be brought to it.
    ``rejected``: of the events' names, those whose rows a table rejects, each with the reason. ``keeps_names``: what
    the history's table answers to the renaming of a row; "" where it accepts it.
    """

    version: str | None
    newest: str
    there: Sequence[str]
    missing: Sequence[str]
    rejected: Mapping[str, str] = field(default_factory=dict)
    keeps_names: str = ""
    kept: StoreNotReady | None = None


class _RolledBackError(Exception):
    """Ends the transaction without a commit."""


class _NameRejectedError(Exception):
    """A table rejects the rows of an event with that name."""


def dry_run(
    database: DatabaseConnection, site_tables: SiteTables, zones: Sequence[Zone], names: Collection[str] = ()
) -> Preflight:
    """Create what is missing, write rows into each table, and roll all of it back. Raises StoreError.

    Rows with the events' ``names`` are written too. A rejected one ends the transaction: then all is done
    once more without it.
    """
    rejected: dict[str, str] = {}
    keeps_names = ""
    kept: StoreNotReady | None = None
    while True:
        found: list[Preflight] = []
        try:
            with database.write() as connection:
                found.append(_prepared(connection, database, site_tables, zones, upgrade=kept is None))
                _write_rows(connection, site_tables, zones, _EVENT, 0)
                if not keeps_names:
                    site_tables.try_renaming(connection, _EVENT, NO_EVENT)
                _write_entry(connection, database)
                for number, name in enumerate(dict.fromkeys(names), start=1):
                    if name not in rejected:
                        _try_name(connection, site_tables, zones, name, number)
                raise _RolledBackError  # noqa: TRY301 -- the way to end the transaction
        except migrate.UpgradeRejected as error:
            kept = error
        except RenameRejected as error:
            keeps_names = str(error)
        except _NameRejectedError as error:
            rejected[str(error)] = str(error.__cause__)
        except _RolledBackError:
            return replace(found[0], rejected=rejected, keeps_names=keeps_names, kept=kept)


def _prepared(
    connection: Connection,
    database: DatabaseConnection,
    site_tables: SiteTables,
    zones: Sequence[Zone],
    *,
    upgrade: bool,
) -> Preflight:
    inspector = inspect(connection)
    wanted = [HISTORY_TABLE, *(zone.table for zone in zones)]
    known = {name.lower() for name in (*inspector.get_table_names(), *inspector.get_view_names())}
    there = [name for name in wanted if name.rpartition(".")[2].lower() in known]
    missing = [name for name in wanted if name not in there]
    found = Preflight(migrate.version(connection), migrate.HEAD, there, missing)
    newest = migrate.ensure(connection, database.backend, upgrade=upgrade)
    site_tables.prepare(connection)
    check_rights(connection, database.backend, *site_tables.names, newest=newest)
    return found


def _try_name(connection: Connection, site_tables: SiteTables, zones: Sequence[Zone], name: str, number: int) -> None:
    try:
        _write_rows(connection, site_tables, zones, name, number)
    except StoreRejectedRow as error:
        raise _NameRejectedError(name) from error


def _write_rows(connection: Connection, site_tables: SiteTables, zones: Sequence[Zone], name: str, number: int) -> None:
    """Write a row of each table for an event of that name.

    Each has a minute of its own: the history may have a unique index over cameras and instants.
    """
    (timestamp,) = site_tables.local_texts((_AT_MS + number * MINUTE_MS,))
    site_tables.add_history(connection, [(_EVENT, "", "", "", timestamp, name)])
    for zone in zones:
        for aforo in (0, 1):  # INSERT, then UPDATE
            site_tables.set_aforo(connection, zone.name, name, aforo)


def _write_entry(connection: Connection, database: DatabaseConnection) -> None:
    journal = Journal(database)
    entry_id = journal.begin(connection, "check", _EVENT, from_ms(_AT_MS))
    journal.end(connection, entry_id, from_ms(_AT_MS))
