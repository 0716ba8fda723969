"""What the errors of both drivers allow. They are made as the drivers make them, with sentences seen in use."""

from typing import Any

import pytest
from mssql_python.exceptions import sqlstate_to_exception
from sqlalchemy import create_engine
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, SQLAlchemyError

from aforo.errors import StoreError, StoreNotReady, StoreRejectedRow, StoreUnavailable
from aforo.storage.backends.error_translation import reason, site_table_errors, translated_errors
from aforo.storage.backends.errors import Recovery, classify_sql_server, sentence

MS = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"


class _PyodbcError(Exception):
    """Like pyodbc's: the state, then the words with the number."""


def _pyodbc(state: str, words: str, number: int) -> DBAPIError:
    kind: Any = DataError if state.startswith("22") else OperationalError
    error: DBAPIError = kind(
        "SELECT secreto", None, _PyodbcError(state, f"[{state}] {MS}{words} ({number}) (SQLExecDirectW)")
    )
    return error


def _mssql_python(state: str, words: str) -> DBAPIError:
    original = sqlstate_to_exception(state, MS + words)
    assert original is not None
    kind: Any = DataError if state.startswith("22") else OperationalError
    error: DBAPIError = kind("SELECT secreto", None, original)
    return error


@pytest.mark.parametrize(
    ("state", "words", "number", "allows"),
    [
        ("40001", "Transaction (Process ID 52) was deadlocked on lock resources", 1205, Recovery.RETRY),
        ("HYT00", "Lock request time out period exceeded.", 1222, Recovery.RETRY),
        ("HYT00", "Query timeout expired", 0, Recovery.RETRY),
        ("08S01", "Communication link failure", 0, Recovery.RETRY),
        ("01000", "The server was restarted", 64, Recovery.RETRY),
        ("HY000", "Snapshot isolation transaction aborted due to update conflict.", 3960, Recovery.RETRY),
        ("42000", "The service is currently busy.", 40501, Recovery.RETRY),
        ("42000", "Database 'AVIGILON' is being recovered. shutting down", 922, Recovery.RETRY),
        ("28000", "Login failed for user 'aforo'.", 18456, Recovery.LOGIN),
        ("42000", 'Cannot open database "X" requested by the login.', 4060, Recovery.LOGIN),
        ("42S02", "Invalid object name 'eventos_Analisis'.", 208, Recovery.READY),
        ("42S22", "Invalid column name 'aforo'.", 207, Recovery.READY),
        ("42000", "The INSERT permission was denied on the object 'aforo_events'", 229, Recovery.READY),
        ("42000", "Se denegó el permiso INSERT en el objeto 'aforo_events'", 229, Recovery.READY),
        ("42000", "CREATE TABLE permission denied in database 'AVIGILON'.", 262, Recovery.READY),
        ("08001", "SSL Provider: certificate verify failed:self-signed certificate", 0, Recovery.READY),
        ("22001", "String or binary data would be truncated in table 'x'", 2628, Recovery.ROW),
        ("22001", "String or binary data would be truncated. Truncated value: 'Acceso (1205)'.", 2628, Recovery.ROW),
        (
            "22001",
            "String or binary data would be truncated. Truncated value: 'Sur (1205); norte'.",
            2628,
            Recovery.ROW,
        ),
        ("22003", "Arithmetic overflow error converting expression to data type tinyint.", 220, Recovery.ROW),
        ("22007", "Conversion failed when converting date and/or time from character string.", 241, Recovery.ROW),
        ("42000", "no se admite", 50001, Recovery.ROW),
        ("42000", "The transaction ended in the trigger. The batch has been aborted.", 3609, Recovery.ROW),
        ("42000", "algo que nadie conoce", 12345, Recovery.STATEMENT),
        ("HY000", "algo que nadie conoce", 12345, Recovery.RETRY),
    ],
)
def test_errors_of_pyodbc_go_by_state_and_number(state: str, words: str, number: int, allows: Recovery) -> None:
    assert classify_sql_server(_pyodbc(state, words, number)) is allows


def test_errors_of_pyodbc_may_come_after_the_messages_of_a_trigger() -> None:
    words = f"[01000] {MS}Cambia 'Puerta' (0) (SQLExecDirectW); [23000] {MS}conflicted with 'ck'. (547)"
    assert classify_sql_server(OperationalError("SELECT secreto", None, _PyodbcError("01000", words))) is Recovery.ROW


@pytest.mark.parametrize(
    ("state", "words", "allows"),
    [
        ("40001", "Transaction was deadlocked", Recovery.RETRY),
        ("HYT00", "Query timeout expired", Recovery.RETRY),
        ("08S01", "Communication link failure", Recovery.RETRY),
        ("08001", "TCP Provider: Error code 0x2749", Recovery.RETRY),
        ("42000", "Interbloqueo: se eligió esta transacción", Recovery.RETRY),
        ("42000", "canceling statement due to lock timeout", Recovery.RETRY),
        ("28000", "Error de inicio de sesión del usuario 'aforo'.", Recovery.LOGIN),
        ("42S02", "El nombre de objeto 'x' no es válido.", Recovery.READY),
        ("42000", "permission denied for table aforo_events", Recovery.READY),
        ("42000", "no se admite", Recovery.STATEMENT),
        ("22001", "String data, right truncation", Recovery.ROW),
    ],
)
def test_errors_of_mssql_python_go_by_its_sentence_for_the_state(state: str, words: str, allows: Recovery) -> None:
    assert classify_sql_server(_mssql_python(state, words)) is allows


def test_the_sentence_is_the_servers_and_holds_no_statement() -> None:
    for error in (_pyodbc("28000", "Login failed for user 'aforo'.", 18456), _mssql_python("28000", "Login failed")):
        assert "Login failed" in sentence(error)
        assert "secreto" not in sentence(error)


# In Spanish, whatever a driver says


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_pyodbc("28000", "Login failed for user 'aforo'.", 18456), "el usuario o la contraseña no son"),
        (
            _pyodbc("42000", "The INSERT permission was denied on the object 'aforo_events', database 'AVIGILON'", 229),
            "falta un permiso (aforo_events, AVIGILON)",
        ),
        (_pyodbc("42S02", "Invalid object name 'eventos_Analisis'.", 208), "falta una tabla (eventos_Analisis)"),
        (
            _pyodbc("22001", "String or binary data would be truncated. Truncated value: 'Sur'.", 2628),
            "un texto no cabe en su columna",
        ),
        (_pyodbc("HYT00", "Query timeout expired", 0), "no contestó a tiempo"),
        (_pyodbc("08S01", "Communication link failure", 0), "se cortó la conexión"),
        (_pyodbc("IM002", "Data source name not found", 0), "falta el controlador ODBC, o el DSN no existe"),
        (_pyodbc("42000", "algo que nadie conoce", 12345), "rechaza la orden"),
        (_mssql_python("28000", "Login failed"), "el usuario o la contraseña no son"),
        (_mssql_python("42000", "permission denied for table aforo_events"), "le faltan tablas o permisos"),
    ],
)
def test_the_reason_is_spanish_and_names_the_objects(error: DBAPIError, expected: str) -> None:
    assert reason(error, classify_sql_server(error)).startswith(expected)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT * FROM nada", "rechaza la orden, o le falta una tabla o una columna (nada)"),
        ("INSERT INTO una VALUES (1), (1)", "lo impide una restricción de la tabla (una.a)"),
        ("ATTACH '/nada/x.db' AS otra", "el archivo no se puede abrir"),
    ],
)
def test_the_reasons_of_sqlite(statement: str, expected: str) -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE una (a UNIQUE)")
        with pytest.raises(DBAPIError) as caught:
            connection.exec_driver_sql(statement)
    assert reason(caught.value, Recovery.STATEMENT) == expected


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_pyodbc("42S02", "Invalid object name 'x'.", 208), StoreNotReady),
        (_pyodbc("08S01", "Communication link failure", 0), StoreUnavailable),
        (SQLAlchemyError("This Connection is closed"), StoreUnavailable),
        (OverflowError("Python int too large to convert"), StoreRejectedRow),
    ],
)
def test_the_driver_s_words_are_the_detail_and_no_part_of_the_sentence(
    error: Exception, kind: type[StoreError]
) -> None:
    with pytest.raises(kind) as caught, translated_errors("SQL Server bd01/AVIGILON", classify_sql_server):
        raise error
    assert caught.value.detail
    for word in ("Invalid", "failure", "Connection", "Python", "Microsoft", "Error"):
        assert word not in str(caught.value)


def test_a_row_that_a_site_table_rejects_keeps_the_drivers_words_apart() -> None:
    error = _pyodbc("23000", "The INSERT statement conflicted with the CHECK constraint 'ck_aforo'.", 547)
    with (
        pytest.raises(StoreRejectedRow, match=r"lo impide una restricción de la tabla \(ck_aforo\)\.") as caught,
        site_table_errors("Aforo_parqueadero", "SQL Server bd01/AVIGILON", classify_sql_server),
    ):
        raise error
    assert "conflicted with" in caught.value.detail
