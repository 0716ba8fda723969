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

HEAD = "0001"  # the newest migration; a test holds it to the migrations folder
KNOWN = frozenset({HEAD})
VERSION_TABLE = "aforo_version"


def ensure(connection: Connection, backend: Backend) -> None:
    """Create or migrate our tables, inside the transaction under way.

    Raises StoreNotReady for a newer program's tables, and where this account may not make what is missing.
    """
    found = version(connection)
    if found == HEAD:
        return
    if found is not None and found not in KNOWN:
        raise StoreNotReady(
            f"Las tablas aforo_… de {backend.name} son de un programa más nuevo (versión {found}; esta es {HEAD}).",
            "No se toca nada.",
            "Instale esa versión o una posterior.",
        )
    there = {name.lower() for name in inspect(connection).get_table_names()}
    missing = [name for name in (*tables.metadata.tables, VERSION_TABLE) if name not in there]
    try:
        _upgrade({"connection": connection})
    except DBAPIError as exc:
        if backend.classify(exc) not in {Recovery.READY, Recovery.STATEMENT}:
            raise
        lacks = f"faltan las tablas {', '.join(missing)}" if missing else f"sus tablas son de la versión {found}"
        raise StoreNotReady(
            f"A {backend.name} le falta algo que esta cuenta no puede crear: {lacks}.",
            "Sin ellas no se guarda nada.",
            f"Entregue al administrador lo que imprime «aforo schema{f' --since {found}' if found else ''}».",
        ) from exc


def version(connection: Connection) -> str | None:
    """The version of our tables in the database; None where there are none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608 -- our name
    return None if found is None else str(found)


def script(dialect: str, since: str | None = None) -> str:
    """The migrations from a version on (None: all of them) as a script for ``dialect``, such as ``mssql``."""
    text = StringIO()
    _upgrade({"connection": None, "dialect": dialect}, f"{since}:head" if since else "head", text)
    return text.getvalue()


def _upgrade(attributes: dict[str, Any], revision: str = "head", output: StringIO | None = None) -> None:
    from alembic import command  # noqa: PLC0415 -- slow to import, and seldom needed
    from alembic.config import Config  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", "aforo.storage.schema:migrations")
    config.attributes.update(attributes, version_table=VERSION_TABLE)
    command.upgrade(config, revision, sql=output is not None)
