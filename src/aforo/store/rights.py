"""What the service's account may do: asked of the server before the evening, granted by the administrator's script."""

from collections.abc import Sequence

from sqlalchemy import Connection

from aforo.errors import StoreNotReady
from aforo.store import tables
from aforo.store.dialects import Dialect

OWN = ("SELECT", "INSERT", "UPDATE", "DELETE")  # on our tables
STADIUM = ("SELECT", "INSERT", "UPDATE")  # on the stadium's
HISTORY = ("SELECT", "INSERT")  # what is needed of them on eventos_Analisis: UPDATE is for edited events only


def check(connection: Connection, dialect: Dialect, history: str, zones: Sequence[str]) -> None:
    """Raise StoreNotReady naming the rights that this account lacks on our tables, the history's and the zones'."""
    wanted = [(name, right) for name in tables.metadata.tables for right in OWN]
    wanted += [(history, right) for right in HISTORY]
    wanted += [(name, right) for name in zones for right in STADIUM]
    missing = dialect.missing_rights(connection, wanted)
    if missing:
        raise StoreNotReady(
            f"A la cuenta le faltan permisos en {dialect.name}: "
            + ", ".join(f"{right} en {table}" for table, right in missing)
            + ".",
            "Sin ellos no se guarda nada.",
            "Entregue al administrador lo que imprime «aforo schema».",
        )
