"""How SQL Server is reached: which driver, with which connection string, and why.

ODBC connection strings are read tolerantly, as people write them, and written exactly.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import URL
from sqlalchemy.dialects.mssql import mssqlpython, pyodbc

from aforo.errors import BadSetting, StoreNotReady

_log = logging.getLogger(__name__)

_LOGIN_TIMEOUT = 15  # seconds for a connection to come about
STATEMENT_TIMEOUT = 120  # seconds after which a statement is interrupted, and the connection closed
LONG_TIMEOUT = 600  # the same for a scan of the whole history, many seasons without an index
_MICROSOFT = re.compile(r"ODBC Driver (\d+) for SQL Server", re.IGNORECASE)
_USUAL = "ODBC Driver 18 for SQL Server"  # where a URL with a host and a database names none
_ENCRYPTS = 18  # the first of Microsoft's drivers that encrypts unless the connection string forbids it
# What mssql-python and the driver inside it understand; the rest belongs to other drivers.
UNDERSTOOD = frozenset(
    {
        "server", "database", "uid", "pwd", "trusted_connection", "authentication", "encrypt",
        "trustservercertificate", "hostnameincertificate", "servercertificate", "serverspn", "multisubnetfailover",
        "applicationintent", "connectretrycount", "connectretryinterval", "keepalive", "keepaliveinterval",
        "ipaddresspreference", "packetsize",
    }
)  # fmt: skip
_OTHER_DRIVERS_ONLY = frozenset({"tds_version", "clientcharset", "port"})  # FreeTDS's: no driver here understands them
# Keywords of Microsoft's drivers that mssql-python does not take. Any other word may be a part of a password with «;».
_OTHER_KEYWORDS = frozenset(
    {
        "ansinpw", "app", "attachdbfilename", "autotranslate", "clientcertificate", "columnencryption", "description",
        "dsn", "failover_partner", "filedsn", "getdataextensions", "language", "mars_connection", "mars connection",
        "multiplesqlresults", "network", "queryfile", "querylog_on", "querylogfile", "quotedid", "regional",
        "replication", "retryexec", "savefile", "serverspn", "statslog_on", "statslogfile",
        "transparentnetworkipresolution", "usefmtonly", "useservercertificate", "wsid", "longasmax",
        "concatnullyieldsnull", "enclaveattestationprotocol",
        "connection timeout", "connect timeout", "timeout", "pooling", "persist security info", "application name",
    }
)  # fmt: skip
# Other spellings of the same keyword, in lower case.
_SAME = {
    "addr": "server",
    "address": "server",
    "data source": "server",
    "network address": "server",
    "initial catalog": "database",
    "user": "uid",
    "user id": "uid",
    "password": "pwd",
    "integrated security": "trusted_connection",
    "trust server certificate": "trustservercertificate",
    "trust_server_certificate": "trustservercertificate",
}


@dataclass(frozen=True, slots=True)
class DriverChoice:
    """A driver and how it is used. ``name`` and ``why`` are for people and hold no secret; ``string`` does."""

    dialect: str  # of SQLAlchemy: mssql+pyodbc or mssql+mssqlpython
    name: str
    why: str
    string: str = field(repr=False)
    batches: bool = False  # the driver sends many rows of parameters at once (fast_executemany)

    def connect(self) -> Any:
        """A DB-API connection. Raises what the driver raises, and BadSetting for a DSN that leads to FreeTDS.

        Raises StoreNotReady where the driver's package is not installed.
        """
        if self.dialect == "mssql+mssqlpython":
            connection = _imported("mssql_python").connect(self.string, timeout=_LOGIN_TIMEOUT)
        else:
            driver = _imported("pyodbc")
            driver.pooling = False  # a pool of the driver manager's would give out a broken connection again
            connection = driver.connect(self.string, timeout=_LOGIN_TIMEOUT)
            if _is_freetds(str(connection.getinfo(driver.SQL_DRIVER_NAME))):  # a DSN's driver is known only now
                connection.close()
                raise _freetds_error("Escriba SERVER=…;DATABASE=… en lugar de DSN=")
        connection.timeout = STATEMENT_TIMEOUT
        return connection


def choose_driver(url: URL, installed: Callable[[], list[str]] | None = None) -> DriverChoice:
    """The driver for the SQL Server of a URL or of the ODBC string in it. Raises BadSetting or StoreNotReady.

    ``installed`` lists the ODBC drivers of this machine.
    """
    explicit = url.drivername == "mssql+mssqlpython"
    keywords = parse(_string(url, explicit))
    if not {"server", "dsn"} & keywords.keys():
        raise BadSetting("A la conexión con SQL Server (database) le falta SERVER.")
    if explicit:
        return _mssql_python(keywords, "así lo pide database.url")
    wanted = keywords.get("driver", "")
    if _is_freetds(wanted):
        raise _freetds_error("Quite DRIVER= de la conexión")
    there = (installed or _installed)()
    same = next((name for name in there if name.lower() == wanted.lower()), None)
    if same is not None:
        return _pyodbc(keywords, same, wanted, "está instalado")
    if Path(wanted).is_file() or (not wanted and "dsn" in keywords):
        return _pyodbc(keywords, wanted, wanted, "es el que indica la conexión")
    if not wanted:
        return _mssql_python(keywords, "la conexión no indica ningún controlador, y este trae el suyo")
    microsoft = max((name for name in there if _MICROSOFT.fullmatch(name)), key=_version, default=None)
    if microsoft is not None:
        return _pyodbc(keywords, microsoft, wanted, f"«{wanted}» no está instalado, y este sí")
    return _mssql_python(keywords, f"«{wanted}» no está instalado; mssql-python trae el suyo")


def parse(text: str) -> dict[str, str]:
    """The keywords (in lower case, one spelling each) and values of a connection string, in its order.

    Braces, blanks and empty parts are understood; the first of two equal keywords counts, as in ODBC. Raises
    BadSetting, without any value in it.
    """
    keywords: dict[str, str] = {}
    rest = text.strip()
    while rest := rest.lstrip("; \t\r\n"):
        name, equals, rest = rest.partition("=")
        name = " ".join(name.split()).lower()
        if not equals or not name or ";" in name:
            raise BadSetting(
                "database.odbc no es una cadena ODBC: cada parte es PALABRA=valor, separadas por «;».",
                remedy="Por ejemplo: DRIVER={ODBC Driver 17 for SQL Server};SERVER=…;DATABASE=AVIGILON;UID=…;PWD=…",
            )
        value, rest = _value(rest.lstrip(" \t"))
        keywords.setdefault(_SAME.get(name, name), value)
    return keywords


def render(keywords: Mapping[str, str]) -> str:
    """A connection string that any driver reads as these values."""
    return ";".join(f"{name}={_braced(value)}" for name, value in keywords.items())


def _string(url: URL, explicit: bool) -> str:
    given = url.query.get("odbc_connect")
    if isinstance(given, str):
        return given
    if not explicit and url.database and not {"driver", "dsn"} & url.query.keys():
        url = url.update_query_dict({"driver": _USUAL})
    kind: Any = mssqlpython.dialect if explicit else pyodbc.dialect
    (string,), _ = kind().create_connect_args(url)
    return str(string)


def _imported(module: str) -> Any:
    """The module of a driver. Raises StoreNotReady where it cannot be imported."""
    try:
        return import_module(module)
    except ImportError as exc:
        raise StoreNotReady(
            f"Falta el controlador de SQL Server: el paquete {module.replace('_', '-')} no está instalado o no carga.",
            "Sin él no se abre la base de datos.",
            "Instale el ODBC Driver 17 o 18 de Microsoft, o vuelva a instalar Aforo con «python3 dev.py install».",
        ) from exc


def _installed() -> list[str]:
    try:
        return list(import_module("pyodbc").drivers())
    except ImportError:  # it needs the system's driver manager, which may be missing
        return []


def _is_freetds(driver: str) -> bool:
    return "tdsodbc" in driver.lower() or "freetds" in driver.lower()


def _freetds_error(change: str) -> BadSetting:
    return BadSetting(
        "La conexión con SQL Server (database) pide el controlador FreeTDS, que Aforo no usa.",
        "Así no se abre la base de datos.",
        f"{change}, y se usa el que Aforo trae, o instale el controlador ODBC de Microsoft.",
    )


def _pyodbc(keywords: Mapping[str, str], driver: str, wanted: str, why: str) -> DriverChoice:
    adapted = _for_microsoft(keywords)
    if driver:
        adapted["driver"] = driver
    _keep_encryption(adapted, wanted, _version(driver))
    named = Path(driver).name or f"DSN {keywords.get('dsn', '')}"
    return DriverChoice("mssql+pyodbc", _name(keywords), f"pyodbc con «{named}»: {why}", render(adapted), batches=True)


def _mssql_python(keywords: Mapping[str, str], why: str) -> DriverChoice:
    adapted = {name: value for name, value in _for_microsoft(keywords).items() if name in UNDERSTOOD}
    if "server" not in adapted:
        raise StoreNotReady(
            "La conexión con SQL Server usa un DSN, y no está el controlador ODBC que lo entiende.",
            remedy="Escriba SERVER=…;DATABASE=… en database.odbc.",
        )
    _keep_encryption(adapted, keywords.get("driver", ""), _ENCRYPTS)
    left_out = keywords.keys() - adapted.keys() - _OTHER_DRIVERS_ONLY - {"driver"}
    if left_out:
        shown = sorted(left_out & _OTHER_KEYWORDS) + ["otra que no se muestra"] * bool(left_out - _OTHER_KEYWORDS)
        _log.warning("mssql-python no usa estas palabras de la conexión: %s.", ", ".join(shown))
    return DriverChoice("mssql+mssqlpython", _name(keywords), f"mssql-python: {why}", render(adapted))


def _for_microsoft(keywords: Mapping[str, str]) -> dict[str, str]:
    adapted = {name: value for name, value in keywords.items() if name not in _OTHER_DRIVERS_ONLY}
    if "port" in keywords and "," not in adapted.get("server", ","):
        adapted["server"] += f",{keywords['port']}"
    if adapted.get("trusted_connection", "").lower() in {"true", "sspi"}:
        adapted["trusted_connection"] = "yes"
    return adapted


def _keep_encryption(keywords: dict[str, str], wanted: str, used: int) -> None:
    """A string written for a driver that does not encrypt by itself means the same with one that does."""
    older = bool(wanted) and _version(wanted) < _ENCRYPTS
    if used >= _ENCRYPTS and older and "encrypt" not in keywords:
        keywords["encrypt"] = "no"


def _version(driver: str) -> int:
    """17 of «ODBC Driver 17 for SQL Server»; of a file, the number in its name; else 0."""
    found = _MICROSOFT.fullmatch(driver) or re.search(r"msodbcsql-?(\d+)", driver)
    return int(found.group(1)) if found else 0


def _name(keywords: Mapping[str, str]) -> str:
    server = keywords.get("server") or f"DSN {keywords.get('dsn', '')}"
    port = f",{keywords['port']}" if "port" in keywords and "," not in server else ""
    return f"SQL Server {server}{port}/{keywords.get('database', '')}"


def _value(rest: str) -> tuple[str, str]:
    """The value at the beginning, and what comes after it. A brace that is never closed belongs to the value."""
    if rest.startswith("{"):
        end = 1
        while (end := rest.find("}", end)) >= 0:
            if rest[end + 1 : end + 2] != "}":
                return rest[1:end].replace("}}", "}"), rest[end + 1 :].lstrip()
            end += 2
    value, _, after = rest.partition(";")
    return value.strip(), after


def _braced(value: str) -> str:
    plain = value and value == value.strip() and not set(value) & set(";{}=")
    return value if plain else "{" + value.replace("}", "}}") + "}"
