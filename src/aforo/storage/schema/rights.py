"""What the service's account may do: asked of the server before the evening, granted by the administrator's script."""

from collections.abc import Sequence

from sqlalchemy import Connection

from aforo.errors import StoreNotReady
from aforo.storage.backends.backend import Backend
from aforo.storage.schema import tables

_ADDED = ("SELECT", "INSERT")  # what is written there stays as it is
_CHANGED = (*_ADDED, "UPDATE")
_CLEARED = (*_CHANGED, "DELETE")
OWN = {  # on our tables; nothing that was counted can be deleted
    tables.shows.name: _CHANGED,
    tables.servers.name: _ADDED,
    tables.sources.name: _ADDED,
    tables.events.name: _CHANGED,
    tables.minutes.name: _CLEARED,
    tables.checkpoints.name: _CLEARED,
    tables.corrections.name: _CHANGED,
    tables.journal.name: _CHANGED,
}
STADIUM = ("SELECT", "INSERT", "UPDATE")  # on the stadium's
HISTORY = ("SELECT", "INSERT")  # what is needed of them on eventos_Analisis: UPDATE is for edited events only


def check(connection: Connection, dialect: Backend, history: str, zones: Sequence[str]) -> None:
    """Raise StoreNotReady naming the rights that this account lacks on our tables, the history's and the zones'."""
    wanted = [(name, right) for name, rights in OWN.items() for right in rights]
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
