"""Brings our own tables to this program's version. Alembic is imported only where there is something to do."""

import logging

from sqlalchemy import Connection, inspect

from aforo.errors import StoreNotReady

HEAD = "0001"  # the newest migration; a test holds it to the migrations folder
VERSION_TABLE = "aforo_version"
KNOWN = frozenset({HEAD})


def ensure(connection: Connection) -> None:
    """Create or migrate our tables, inside the transaction under way. Raises StoreNotReady for a newer program's."""
    found = version(connection)
    if found == HEAD:
        return
    if found is not None and found not in KNOWN:
        raise StoreNotReady(
            f"Las tablas aforo_… de la base son de una versión más nueva del programa ({found}; esta conoce {HEAD}).",
            "No se toca nada.",
            "Instale esa versión o una posterior.",
        )
    _migrate(connection)


def version(connection: Connection) -> str | None:
    """The version of our tables in the database; None where there are none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608 -- our name
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 -- slow to import, and seldom needed
    from alembic.config import Config  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", "aforo.store:migrations")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, "head")
