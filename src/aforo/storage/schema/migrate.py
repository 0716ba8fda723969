"""Brings our own tables to this program's version. Alembic is imported only where there is something to do."""

import logging
from io import StringIO
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from aforo.errors import StoreNotReady
from aforo.storage.backends.backend import Backend
from aforo.storage.backends.errors import Recovery
from aforo.storage.schema import tables

HEAD = "0002"  # the newest migration; a test holds it to the migrations folder
KNOWN = frozenset({"0001", HEAD})
VERSION_TABLE = "aforo_version"


class UpgradeRejected(StoreNotReady):
    """This account may not bring our tables to the newest version; the program can go on with those that there are."""


def ensure(connection: Connection, backend: Backend, *, upgrade: bool = True) -> bool:
    """Create or migrate our tables, inside the transaction under way; returns whether they are of the newest version.

    Without ``upgrade`` tables of an earlier version are left as they are. Raises UpgradeRejected where this account may
    not migrate them, StoreNotReady for a newer program's tables, and where it may not make what is missing.
    """
    found = version(connection)
    if found == HEAD:
        return True
    if found in KNOWN and not upgrade:
        return False
    if found is not None and found not in KNOWN:
        raise _newer(backend, found)
    there = {name.lower() for name in inspect(connection).get_table_names()}
    missing = [name for name in (*tables.metadata.tables, VERSION_TABLE) if name not in there]
    try:
        with backend.long_statements(connection):
            _migrate({"connection": connection}, "head")
    except DBAPIError as exc:
        if backend.classify(exc) not in {Recovery.READY, Recovery.STATEMENT}:
            raise
        if found is not None:
            raise UpgradeRejected(
                f"Las tablas aforo_… de {backend.name} son de la versión {found}, y esta cuenta no puede pasarlas a la"
                f" {HEAD}.",
                "Se sigue con ellas: si dos cámaras de un servidor dan el mismo thisId en el mismo milisegundo, se"
                " guarda un solo evento; una sesión cerrada en la página vuelve a valer tras un reinicio; y ACC no"
                " notifica (push.url).",
                f"Entregue al administrador lo que imprime «aforo schema --since {found}» y, cuando lo haya ejecutado,"
                " reinicie el programa.",
            ) from exc
        raise StoreNotReady(
            f"A {backend.name} le falta algo que esta cuenta no puede crear: faltan las tablas {', '.join(missing)}.",
            "Sin ellas no se guarda nada.",
            "Entregue al administrador lo que imprime «aforo schema».",
        ) from exc
    return True


def revert(connection: Connection, backend: Backend, target: str) -> str | None:
    """Bring our tables back to an earlier version, inside the transaction under way; returns the version they had.

    No camera event is lost. Raises StoreNotReady for a newer program's tables, and where this account may not.
    """
    found = version(connection)
    if found is not None and found not in KNOWN:
        raise _newer(backend, found)
    if found is None or found <= target:
        return found
    try:
        with backend.long_statements(connection):
            _migrate({"connection": connection}, target, down=True)
    except DBAPIError as exc:
        if backend.classify(exc) not in {Recovery.READY, Recovery.STATEMENT}:
            raise
        raise StoreNotReady(
            f"Esta cuenta no puede devolver las tablas aforo_… de {backend.name} a la versión {target}.",
            "No se tocó nada.",
            f"Entregue al administrador lo que imprime «aforo schema --back {target}».",
        ) from exc
    return found


def version(connection: Connection) -> str | None:
    """The version of our tables in the database; None where there are none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608 -- our name
    return None if found is None else str(found)


def script(since: str | None = None) -> str:
    """The migrations from a version on (None: all of them) as T-SQL: one transaction, done whole or not at all."""
    return "" if since == HEAD else _script(f"{since}:head" if since else "head")


def script_back(target: str) -> str:
    """The way back from the newest version to an earlier one as T-SQL: one transaction, done whole or not at all."""
    return "" if target == HEAD else _script(f"{HEAD}:{target}", down=True)


def _script(revision: str, *, down: bool = False) -> str:
    text = StringIO()
    _migrate({"connection": None}, revision, text, down=down)
    # One batch: an error ends all of it, the change of the version too.
    return f"SET XACT_ABORT ON;\n\n{text.getvalue().strip()}\n\nGO"


def _newer(backend: Backend, found: str) -> StoreNotReady:
    return StoreNotReady(
        f"Las tablas aforo_… de {backend.name} son de un programa más nuevo (versión {found}; esta es {HEAD}).",
        "No se toca nada.",
        "Instale esa versión o una posterior.",
    )


def _migrate(attributes: dict[str, Any], revision: str, output: StringIO | None = None, *, down: bool = False) -> None:
    from alembic import command  # noqa: PLC0415 -- slow to import, and seldom needed
    from alembic.config import Config  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", "aforo.storage.schema:migrations")
    config.attributes.update(attributes, version_table=VERSION_TABLE)
    (command.downgrade if down else command.upgrade)(config, revision, sql=output is not None)
