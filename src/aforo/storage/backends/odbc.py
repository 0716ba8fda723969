"""ODBC connection strings as people write them: read tolerantly, written exactly."""

from collections.abc import Mapping

from aforo.errors import BadSetting

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
_SECRET = {"pwd"}


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


def masked(text: str) -> str:
    """The connection string for people: its password replaced."""
    return render({name: "***" if name in _SECRET else value for name, value in parse(text).items()})


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
