"""The StoreError that each of a driver's errors becomes, and in Spanish why the database rejects what was sent.

A driver's own words are English, or in the server's language: they are the error's ``detail``.

SQL Server's errors go by their number, else by their SQLSTATE; SQLite's by their code. What a driver says about neither
goes by what the error allows.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from aforo.errors import StoreError, StoreNotReady, StoreRejectedLogin, StoreRejectedRow, StoreUnavailable
from aforo.storage.backends.errors import Classify, Recovery, numbers_of, sentence, state_of

_E = TypeVar("_E", bound=StoreError)

_NUMBERS = {
    207: "a una tabla le falta una columna",
    208: "falta una tabla",
    220: "un número no cabe en su columna",
    229: "falta un permiso",
    230: "falta un permiso",
    241: "una fecha no se entiende",
    242: "una fecha no se entiende",
    245: "un valor no es de la clase de su columna",
    262: "falta el permiso de crear tablas",
    515: "una columna no admite quedar sin valor",
    547: "lo impide una restricción de la tabla",
    916: "esa cuenta no puede abrir la base",
    1105: "no queda espacio en la base",
    1205: "otro proceso quería lo mismo a la vez",
    1222: "otro proceso la tiene tomada",
    2601: "ya hay una fila igual en un índice único",
    2627: "ya hay una fila igual en un índice único",
    2628: "un texto no cabe en su columna",
    3609: "lo deshizo un disparador de la tabla",
    3906: "la base es de solo lectura",
    4060: "no existe esa base, o la cuenta no puede abrirla",
    4064: "no existe esa base, o la cuenta no puede abrirla",
    8114: "un valor no es de la clase de su columna",
    8115: "un número no cabe en su columna",
    8152: "un texto no cabe en su columna",
    9002: "su registro de transacciones está lleno",
    18452: "la cuenta no puede entrar así",
    18456: "el usuario o la contraseña no son",
    18470: "la cuenta está desactivada",
    18486: "la cuenta está bloqueada",
    18487: "la contraseña caducó",
    18488: "hay que cambiar la contraseña",
}
_STATES = {
    "08001": "no se pudo llegar a ella",
    "08S01": "se cortó la conexión",
    "HYT00": "no contestó a tiempo",
    "HYT01": "no contestó a tiempo",
    "IM002": "falta el controlador ODBC, o el DSN no existe",
    "IM003": "el controlador ODBC no se puede cargar",
    "42S02": "falta una tabla",
    "42S22": "a una tabla le falta una columna",
    "22001": "un texto no cabe en su columna",
    "23000": "lo impide una restricción de la tabla",
    "28000": "el usuario o la contraseña no son",
    "40001": "otro proceso quería lo mismo a la vez",
}
_SQLITE_CODES = {
    1: "rechaza la orden, o le falta una tabla o una columna",
    3: "sin permiso",
    5: "otro proceso la tiene tomada",
    6: "otro proceso la tiene tomada",
    8: "es de solo lectura",
    10: "el disco falla",
    11: "el archivo está dañado",
    13: "no queda espacio en el disco",
    14: "el archivo no se puede abrir",
    18: "un texto es demasiado largo",
    19: "lo impide una restricción de la tabla",
    20: "un valor no es de la clase de su columna",
    26: "el archivo no es una base de datos SQLite",
}
_DEFAULTS = {
    Recovery.RETRY: "no contesta",
    Recovery.LOGIN: "el usuario, la contraseña o el nombre de la base no son",
    Recovery.READY: "le faltan tablas o permisos, o su certificado no es de confianza",
    Recovery.UNIQUE: "ya hay una fila igual en un índice único",
    Recovery.ROW: "un valor no se admite",
    Recovery.STATEMENT: "rechaza la orden",
}
_OBJECT = re.compile(r"['\"\[]([A-Za-z_][\w.$ -]{0,127})['\"\]]|(?:no such (?:table|column)|failed): ([\w.]+)")
_WITH_OBJECTS = frozenset(
    {1, 19, 207, 208, 229, 230, 262, 515, 547, 2601, 2627}
)  # not 2628, which quotes a row's value
_MOST_OBJECTS = 3  # tables, columns and rights in a reason


def reason(exc: DBAPIError, recovery: Recovery) -> str:
    """Return why the database rejects what was sent, with the names of the objects that its answer gives."""
    code = getattr(exc.orig, "sqlite_errorcode", None)
    known = [code & 0xFF] if isinstance(code, int) else sorted(numbers_of(exc))
    table = _SQLITE_CODES if isinstance(code, int) else _NUMBERS
    number = next((one for one in known if one in table), 0)
    text = table.get(number) or _STATES.get(state_of(exc)) or _DEFAULTS[recovery]
    return text + (_objects(sentence(exc)) if number in _WITH_OBJECTS else "")


def _objects(words: str) -> str:
    names = [
        quoted or plain for quoted, plain in _OBJECT.findall(words) if not quoted.startswith(("Microsoft", "ODBC"))
    ]
    shown = [name for name in dict.fromkeys(names) if name not in {"SQL Server"}][:_MOST_OBJECTS]
    return f" ({', '.join(shown)})" if shown else ""


@contextmanager
def translated_errors(database: str, classify: Classify) -> Iterator[None]:
    """Turn what a driver raises inside into a StoreError about ``database`` (a name without secrets)."""
    try:
        yield
    except DBAPIError as exc:
        raise _with_detail(_translated(database, classify(exc), exc), sentence(exc)) from exc
    except SQLAlchemyError as exc:  # a closed connection and the like: connecting anew is enough
        lost = StoreUnavailable(f"La base de datos {database} no está disponible: se perdió la conexión.")
        raise _with_detail(lost, str(exc)) from exc
    except (UnicodeError, OverflowError) as exc:  # raised by drivers before anything is sent
        unfit = StoreRejectedRow(f"La base de datos {database} no admite un valor: no se puede escribir en ella.")
        raise _with_detail(unfit, str(exc)) from exc


@contextmanager
def site_table_errors(
    table: str, database: str, classify: Classify, rejected: Callable[[str], StoreRejectedRow] = StoreRejectedRow
) -> Iterator[None]:
    """Raise ``rejected`` for an error of a statement on a site table that would come again.

    All other errors pass unchanged. A site table has keys and checks of its own, which may reject a row for ever.
    """
    permanent = {Recovery.UNIQUE, Recovery.ROW, Recovery.STATEMENT}
    if rejected is not StoreRejectedRow:
        # Missing rights on a zone's table must not delay the ledger; the history's rows have to wait for theirs.
        permanent.add(Recovery.READY)
    try:
        yield
    except DBAPIError as exc:
        recovery = classify(exc)
        if recovery not in permanent:
            raise
        error = rejected(f"La tabla {table} de {database} no admite la fila: {reason(exc, recovery)}.")
        raise _with_detail(error, sentence(exc)) from exc


def _translated(database: str, recovery: Recovery, exc: DBAPIError) -> StoreError:
    message = reason(exc, recovery)
    match recovery:
        case Recovery.LOGIN:
            return StoreRejectedLogin(
                f"La base de datos {database} no acepta la conexión: {message}.",
                remedy="Revise usuario, contraseña y nombre de la base en los ajustes (database).",
            )
        case Recovery.READY | Recovery.STATEMENT:
            return StoreNotReady(
                f"La base de datos {database} no está lista: {message}.",
                remedy="Ejecute «aforo check» y pida al administrador lo que falte.",
            )
        case Recovery.ROW:
            return StoreRejectedRow(f"La base de datos {database} no admite una fila: {message}.")
        case _:
            return StoreUnavailable(
                f"La base de datos {database} no está disponible: {message}.", "Se sigue intentando; nada se pierde."
            )


def _with_detail(error: _E, detail: str) -> _E:
    error.detail = " ".join(detail.split())
    return error
