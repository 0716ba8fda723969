"""Where the drivers' exceptions stop: each becomes the StoreError that says what can be done about it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from aforo.errors import StoreError, StoreNotReady, StoreRejectedLogin, StoreRejectedRow, StoreUnavailable


class Recovery(Enum):
    """What a driver's error allows."""

    RETRY = auto()  # the whole transaction again, on a fresh connection
    LOGIN = auto()  # mend user, password or database name
    READY = auto()  # mend tables or rights
    UNIQUE = auto()  # a key was there already: a race in our tables, a refused row in a legacy one
    ROW = auto()  # the row's values are refused, and would be again
    STATEMENT = auto()  # refused for a reason not told: rights or schema in our tables, maybe a trigger in a legacy one


Classify = Callable[[DBAPIError], Recovery]


@contextmanager
def border(database: str, classify: Classify) -> Iterator[None]:
    """Turn what a driver raises inside into a StoreError about ``database`` (a name without secrets)."""
    try:
        yield
    except DBAPIError as exc:
        raise _translated(database, classify(exc), exc) from exc
    except SQLAlchemyError as exc:  # a closed connection and the like: a fresh one is all it needs
        raise StoreUnavailable(f"La base de datos {database} no está disponible: {exc}") from exc
    except (UnicodeError, OverflowError) as exc:  # raised by drivers before anything is sent
        raise StoreRejectedRow(f"La base de datos {database} no admite un valor: {exc}") from exc


@contextmanager
def legacy_border(
    table: str, database: str, classify: Classify, refused: Callable[[str], StoreRejectedRow] = StoreRejectedRow
) -> Iterator[None]:
    """Like ``border``, for a statement on the stadium's own table, whose keys and checks can refuse a row for ever."""
    try:
        yield
    except DBAPIError as exc:
        allows = classify(exc)
        # What is wrong with a zone's table must not hold up the ledger; the history's rows have to wait for theirs.
        permanent = {Recovery.UNIQUE, Recovery.ROW, Recovery.STATEMENT} | (
            {Recovery.READY} if refused is not StoreRejectedRow else set()
        )
        if allows not in permanent:
            raise
        raise refused(f"La tabla {table} de {database} no admite la fila: {sentence(exc)}") from exc


def sentence(exc: DBAPIError) -> str:
    """What the driver said, on one line, without SQL or parameters."""
    original = exc.orig
    args = getattr(original, "args", ())
    text = str(args[-1] if args and isinstance(args[-1], str) else original)
    return " ".join(text.split())


def _translated(database: str, allows: Recovery, exc: DBAPIError) -> StoreError:
    said = sentence(exc)
    match allows:
        case Recovery.LOGIN:
            return StoreRejectedLogin(
                f"La base de datos {database} no acepta la conexión: {said}.",
                remedy="Revise usuario, contraseña y nombre de la base en los ajustes (database).",
            )
        case Recovery.READY | Recovery.STATEMENT:
            return StoreNotReady(
                f"La base de datos {database} no está lista: {said}.",
                remedy="Ejecute «aforo check» y pida al administrador lo que falte.",
            )
        case Recovery.ROW:
            return StoreRejectedRow(f"La base de datos {database} no admite una fila: {said}.")
        case _:
            return StoreUnavailable(
                f"La base de datos {database} no está disponible: {said}.", "Se sigue intentando; nada se pierde."
            )
