"""What an error of SQL Server's allows, by SQLSTATE, native number or, where a driver hides both, by its words.

pyodbc gives the state first and the number in brackets at the end of the text. mssql-python turns the state into a
sentence of its own and keeps no number. A restarted server is told of under several states, also 01000 and HYT00.
"""

import re
from functools import cache

from sqlalchemy.exc import DataError, DBAPIError

from aforo.storage.backends.errors import Recovery

# Where a driver puts it: after all that the server said. In brackets within, it is a value of the row's.
_NUMBER = re.compile(r"\((\d{2,8})\)(?= \(SQL|; \[|[\"']?\)?$)")
_STATE = re.compile(r"[0-9A-Z]{5}")
_UNKNOWN_STATE = re.compile(r"SQLSTATE code: ([0-9A-Z]{5})")

_LOGIN_NUMBERS = frozenset({18456, 18452, 18470, 18486, 18487, 18488, 4060, 4064, 916})
_READY_NUMBERS = frozenset({207, 208, 229, 230, 262, 297, 300, 515, 2760, 3704, 15151, 15247})
_ROW_NUMBERS = frozenset({220, 241, 242, 245, 248, 295, 517, 547, 2628, 3609, 8114, 8115, 8152})
_RETRY_NUMBERS = frozenset({1204, 1205, 1222, 3960, 3961, 601, 978, 10928, 10929, 40197, 40501, 40613, 49918})
_THROWN = 50_000  # what a trigger raises by itself has this number or a higher one
_BABELFISH = 33_557_097  # "not mapped": says nothing

_LOGIN_STATES = frozenset({"28000"})
_READY_STATES = frozenset({"42S01", "42S02", "42S22", "IM002", "IM003", "IM012"})
_STATES_OF_MSSQL_PYTHON = ("28000", "42S01", "42S02", "42S22", "IM002", "IM003", "IM012", "42000", "40001", "HYT00")

# Where only words are left: English and Spanish servers, and PostgreSQL behind Babelfish.
_RIGHTS_WORDS = re.compile(
    r"permission (was )?denied|denegó el permiso|must be owner|no tiene permiso|Invalid (object|column) name"
    r"|does not exist|nombre de (objeto|columna)",
    re.IGNORECASE,
)
_RETRY_WORDS = re.compile(
    r"deadlock|interbloque|lock timeout|could not serialize|snapshot isolation|tiempo de espera de bloqueo"
    r"|terminating connection|shutting down|starting up",
    re.IGNORECASE,
)
_LOGIN_WORDS = re.compile(
    r"login failed|error de inicio de sesión|cannot open database|no se puede abrir la base", re.I
)
_CERTIFICATE_WORDS = re.compile(r"certificate|certificado", re.IGNORECASE)


def classify(exc: DBAPIError) -> Recovery:
    """What the error allows. Unknown ones are retried: the next try costs little, giving up costs the evening."""
    words = str(exc.orig)
    state, numbers = _state(exc), {int(number) for number in _NUMBER.findall(words)}
    told = (
        (Recovery.RETRY, numbers & _RETRY_NUMBERS or state == "40001" or _RETRY_WORDS.search(words)),
        (Recovery.LOGIN, numbers & _LOGIN_NUMBERS or state in _LOGIN_STATES or _LOGIN_WORDS.search(words)),
        (Recovery.ROW, numbers & _ROW_NUMBERS or any(_THROWN <= number < _BABELFISH for number in numbers)),
        (Recovery.READY, numbers & _READY_NUMBERS or state in _READY_STATES or _CERTIFICATE_WORDS.search(words)),
        (Recovery.READY, state == "42000" and _RIGHTS_WORDS.search(words)),
        (Recovery.STATEMENT, state == "42000"),
        (Recovery.ROW, isinstance(exc, DataError) or state.startswith("22")),
    )
    return next((allows for allows, so in told if so), Recovery.RETRY)


def _state(exc: DBAPIError) -> str:
    """The SQLSTATE, "" where it is not known."""
    told = getattr(exc.orig, "driver_error", None)
    if isinstance(told, str):
        unknown = _UNKNOWN_STATE.search(told)
        return unknown.group(1) if unknown else _mssql_python_states().get(told, "")
    first = str(exc.orig.args[0]) if exc.orig is not None and exc.orig.args else ""
    return first if _STATE.fullmatch(first) else ""


@cache
def _mssql_python_states() -> dict[str, str]:
    """mssql-python's sentences for the states that matter here, asked of itself."""
    from mssql_python.exceptions import sqlstate_to_exception  # noqa: PLC0415 -- loaded already where it is asked

    told = ((sqlstate_to_exception(state, ""), state) for state in _STATES_OF_MSSQL_PYTHON)
    return {error.driver_error: state for error, state in told if error is not None}
