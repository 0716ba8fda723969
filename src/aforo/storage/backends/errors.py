"""What a driver's error allows, as a table.

pyodbc gives the SQLSTATE first and SQL Server's number in brackets at the end of the text. mssql-python turns the state
into a sentence of its own and keeps no number. A restarted server is reported under several states, also 01000 and
HYT00.
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

from sqlalchemy.exc import DataError, DBAPIError


class Recovery(Enum):
    """What a driver's error allows."""

    RETRY = auto()  # the whole transaction again, on a fresh connection
    LOGIN = auto()  # mend user, password or database name
    READY = auto()  # mend tables or rights
    UNIQUE = auto()  # a key was there already: a race in our tables, a rejected row in a site table
    ROW = auto()  # the row's values are rejected, and would be again
    STATEMENT = auto()  # rejected without a reason: rights or schema in our tables, maybe a trigger in a site table


class AfterFailure(Enum):
    """What to do after a failed transaction."""

    REPEAT = auto()  # run it again at once, without the statements that a site table rejects
    RETRY = auto()  # run it again after a pause
    RAISE = auto()  # leave it to the caller


Classify = Callable[[DBAPIError], Recovery]


def sentence(exc: DBAPIError) -> str:
    """The driver's message, on one line, without SQL or parameters."""
    original = exc.orig
    args = getattr(original, "args", ())
    text = str(args[-1] if args and isinstance(args[-1], str) else original)
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line of the table of SQL Server's errors: it holds for an error that fits any of its four conditions.

    ``states`` are beginnings of an SQLSTATE. With ``within`` the rule is only for errors of that state.
    """

    recovery: Recovery
    numbers: Container[int] = frozenset()
    states: tuple[str, ...] = ()
    words: re.Pattern[str] | None = None
    data_error: bool = False
    within: str = ""

    def holds(self, exc: DBAPIError, state: str, numbers: set[int], words: str) -> bool:
        """Whether the rule holds for an error of that state, with these numbers and words."""
        if self.within not in {"", state}:
            return False
        return (
            any(number in self.numbers for number in numbers)
            or state.startswith(self.states)
            or (self.words is not None and self.words.search(words) is not None)
            or (self.data_error and isinstance(exc, DataError))
        )


_UNMAPPED = 33_557_097  # Babelfish's number for an error that SQL Server has no number for
# The first line that holds decides. The words are those of English and Spanish servers, and of PostgreSQL behind
# Babelfish, for the errors of which a driver gives neither state nor number.
_SQL_SERVER = (
    _Rule(
        Recovery.RETRY,
        numbers={1204, 1205, 1222, 3960, 3961, 601, 978, 10928, 10929, 40197, 40501, 40613, 49918},
        states=("40001",),
        words=re.compile(
            r"deadlock|interbloque|lock timeout|could not serialize|snapshot isolation|tiempo de espera de bloqueo"
            r"|terminating connection|shutting down|starting up",
            re.IGNORECASE,
        ),
    ),
    _Rule(
        Recovery.LOGIN,
        numbers={18456, 18452, 18470, 18486, 18487, 18488, 4060, 4064, 916},
        states=("28000",),
        words=re.compile(
            r"login failed|error de inicio de sesión|cannot open database|no se puede abrir la base", re.IGNORECASE
        ),
    ),
    _Rule(Recovery.ROW, numbers={220, 241, 242, 245, 248, 295, 517, 547, 2628, 3609, 8114, 8115, 8152}),
    _Rule(Recovery.ROW, numbers=range(50_000, _UNMAPPED)),  # raised by a trigger's own THROW or RAISERROR
    _Rule(
        Recovery.READY,
        numbers={207, 208, 229, 230, 262, 297, 300, 515, 2760, 3704, 15151, 15247},
        states=("42S01", "42S02", "42S22", "IM002", "IM003", "IM012"),
        words=re.compile(r"certificate|certificado", re.IGNORECASE),
    ),
    _Rule(
        Recovery.READY,
        within="42000",
        words=re.compile(
            r"permission (was )?denied|denegó el permiso|must be owner|no tiene permiso|Invalid (object|column) name"
            r"|does not exist|nombre de (objeto|columna)",
            re.IGNORECASE,
        ),
    ),
    _Rule(Recovery.STATEMENT, states=("42000",)),
    _Rule(Recovery.ROW, states=("22",), data_error=True),
)

# Where a driver puts the number: after the server's sentence. Brackets inside the sentence hold a value of the row.
_NUMBER = re.compile(r"\((\d{2,8})\)(?= \(SQL|; \[|[\"']?\)?$)")
_STATE = re.compile(r"[0-9A-Z]{5}")
_UNKNOWN_STATE = re.compile(r"SQLSTATE code: ([0-9A-Z]{5})")
_STATES_OF_MSSQL_PYTHON = ("28000", "42S01", "42S02", "42S22", "IM002", "IM003", "IM012", "42000", "40001", "HYT00")


def classify_sql_server(exc: DBAPIError) -> Recovery:
    """What an error of SQL Server allows.

    An unknown error is retried: the next try costs little, giving up costs the event.
    """
    words = str(exc.orig)
    state, numbers = state_of(exc), numbers_of(exc)
    return next((rule.recovery for rule in _SQL_SERVER if rule.holds(exc, state, numbers, words)), Recovery.RETRY)


def numbers_of(exc: DBAPIError) -> set[int]:
    """SQL Server's numbers in an error; none where the driver does not give them."""
    return {int(number) for number in _NUMBER.findall(str(exc.orig))}


def state_of(exc: DBAPIError) -> str:
    """The SQLSTATE, "" where it is not known."""
    driver_error = getattr(exc.orig, "driver_error", None)
    if isinstance(driver_error, str):
        unknown = _UNKNOWN_STATE.search(driver_error)
        return unknown.group(1) if unknown else _mssql_python_states().get(driver_error, "")
    first = str(exc.orig.args[0]) if exc.orig is not None and exc.orig.args else ""
    return first if _STATE.fullmatch(first) else ""


@cache
def _mssql_python_states() -> dict[str, str]:
    """mssql-python's sentences for the states that matter here, from mssql-python itself."""
    from mssql_python.exceptions import sqlstate_to_exception  # noqa: PLC0415 -- imported already where it raised

    errors = ((sqlstate_to_exception(state, ""), state) for state in _STATES_OF_MSSQL_PYTHON)
    return {error.driver_error: state for error, state in errors if error is not None}
