"""All that the job does to the database, done once and taken back: what is missing is known before the evening."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, inspect

from aforo.errors import StoreRejectedRow
from aforo.models import Zone, from_ms
from aforo.settings.models import HISTORY_TABLE
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.journal import Journal
from aforo.storage.schema import migrate, rights
from aforo.storage.site_tables.tables import NOBODY, NameRefused, SiteTables

_EVENT = "aforo check"  # the event of the rows that are taken back
_AT_MS = 0


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found. ``version``: of our tables, None where there are none yet; the stadium's tables, there or not.

    ``refused``: of the events' names, those whose rows a table refuses, each with what it said. ``keeps_names``: what
    the history's table said to a row that was to be renamed; "" where it lets it.
    """

    version: str | None
    newest: str
    there: Sequence[str]
    missing: Sequence[str]
    refused: Mapping[str, str] = field(default_factory=dict)
    keeps_names: str = ""


class _TakenBackError(Exception):
    """Ends the transaction without a commit."""


class _NameRefusedError(Exception):
    """A table refuses the rows of an event with that name."""


def dry_run(
    link: DatabaseConnection, legacy: SiteTables, zones: Sequence[Zone], names: Collection[str] = ()
) -> Preflight:
    """Create what is missing, write rows into each table, and take all of it back. Raises StoreError.

    Rows with the events' ``names`` are written too. What they are refused for ends a transaction: then it is all done
    once more without.
    """
    refused: dict[str, str] = {}
    keeps_names = ""
    while True:
        found: list[Preflight] = []
        try:
            with link.write() as connection:
                found.append(_prepared(connection, link, legacy, zones))
                _write_rows(connection, legacy, zones, _EVENT)
                if not keeps_names:
                    legacy.try_renaming(connection, _EVENT, NOBODY)
                _write_note(connection, link)
                for name in dict.fromkeys(names):
                    if name not in refused:
                        _try_name(connection, legacy, zones, name)
                raise _TakenBackError  # noqa: TRY301 -- the way to end the transaction
        except NameRefused as error:
            keeps_names = str(error)
        except _NameRefusedError as error:
            refused[str(error)] = str(error.__cause__)
        except _TakenBackError:
            return replace(found[0], refused=refused, keeps_names=keeps_names)


def _prepared(connection: Connection, link: DatabaseConnection, legacy: SiteTables, zones: Sequence[Zone]) -> Preflight:
    inspector = inspect(connection)
    wanted = [HISTORY_TABLE, *(zone.table for zone in zones)]
    known = {name.lower() for name in (*inspector.get_table_names(), *inspector.get_view_names())}
    there = [name for name in wanted if name.rpartition(".")[2].lower() in known]
    missing = [name for name in wanted if name not in there]
    found = Preflight(migrate.version(connection), migrate.HEAD, there, missing)
    migrate.ensure(connection, link.dialect)
    legacy.prepare(connection)
    rights.check(connection, link.dialect, *legacy.names)
    return found


def _try_name(connection: Connection, legacy: SiteTables, zones: Sequence[Zone], name: str) -> None:
    try:
        _write_rows(connection, legacy, zones, name)
    except StoreRejectedRow as error:
        raise _NameRefusedError(name) from error


def _write_rows(connection: Connection, legacy: SiteTables, zones: Sequence[Zone], name: str) -> None:
    (timestamp,) = legacy.local_texts((_AT_MS,))
    legacy.add_history(connection, [(_EVENT, "", "", "", timestamp, name)])
    for zone in zones:
        for aforo in (0, 1):  # INSERT, then UPDATE
            legacy.set_aforo(connection, zone.name, name, aforo)


def _write_note(connection: Connection, link: DatabaseConnection) -> None:
    journal = Journal(link)
    note = journal.begin(connection, "check", _EVENT, from_ms(_AT_MS))
    journal.end(connection, note, from_ms(_AT_MS))
