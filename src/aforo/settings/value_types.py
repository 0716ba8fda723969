"""Types of setting values: what pydantic has no name for, and the base class of each section.

Each check raises ValueError; the ``allowed`` text of the setting says in Spanish what is valid.
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from aforo.models import Matcher, Rule
from aforo.settings.credentials import has_host_and_port, has_stray_at

SCRYPT = re.compile(  # as web.auth writes it: a salt of 16 bytes, a hash of 32
    r"scrypt\$([0-9]{5,6})\$([0-9]{1,2})\$([0-9])\$[A-Za-z0-9_-]{21}[AQgw]\$[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
)
_MAX_SCRYPT_BYTES = 2**26  # memory of one check: twice that of what «aforo password» writes
TABLE = re.compile(r"([^\W\d]\w{0,127}\.)?[^\W\d]\w{0,127}")
_LONGEST_URL = 300  # characters, as the database keeps them
EMPTY_AT = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|(?:inicio|fin)(?:\s*[+-]\s*\d{1,4})?")
SECONDS = "un número de segundos, 0 o mayor"
TEXT = "un texto"
PERCENT = "un porcentaje mayor que 0"
CONDITIONS = ("name", "activity", "area", "camera")
CONDITION = "«contains:TEXTO», «equals:TEXTO» o el texto entero"
HISTORY_RULE_KEYS = "una tabla con name, activity, area o camera"
RULE_KEYS = "una tabla con name, activity, area, camera o stored"


def setting(
    default: Any, text: str, allowed: str, *, from_file: bool = False, secret: bool = False, **limits: Any
) -> Any:
    """Return the field of one setting.

    ``text`` (what it does) and ``allowed`` (valid values) are Spanish. ``from_file`` adds a ``…_file`` twin. ``secret``
    marks a setting that contains secrets; a SecretStr needs no mark.
    """
    extra: JsonDict = {"allowed": allowed, "from_file": from_file, "secret": secret}
    return Field(default, description=text, json_schema_extra=extra, validate_default=False, **limits)


class Section(BaseModel):
    """Base of all sections: frozen, without unknown names, and without values in error texts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("bool")  # noqa: TRY004 - pydantic turns only ValueError into its own error
    return value


def _yes_no(value: Any) -> Any:
    return {"sí": True, "si": True}.get(value.strip().lower(), value.strip()) if isinstance(value, str) else value


def _https(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip():
        return value
    parts = urlsplit(value.strip().rstrip("/"))
    _ = parts.port  # raises ValueError for a port that is no port
    plain = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme.lower() != "https" or not parts.hostname or not plain:
        raise ValueError("url")
    return f"https://{parts.netloc}"


def _push_url(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip():
        return value.strip() if isinstance(value, str) else value
    parts = urlsplit(value.strip())
    _ = parts.port  # raises ValueError for a port that is no port
    plain = not (parts.query or parts.fragment or "@" in parts.netloc) and value.isascii() and value.isprintable()
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or not plain or len(value) > _LONGEST_URL:
        raise ValueError("url")
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path or '/'}"


def _fingerprint(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    digits = value.strip().replace(":", "").lower()
    if digits and not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("fingerprint")
    return digits


def _file_or_none(value: Any) -> Any:
    return None if value == "" else value


def _timezone(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return ZoneInfo(value)
        except (OSError, ValueError, KeyError) as exc:
            raise ValueError("timezone") from exc
    return value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


def _database_url(value: Any) -> Any:
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(plain, str):
        return value
    if has_stray_at(plain):
        text = (
            "hay una «@» sin escapar en database.url: en el usuario o la contraseña se escribe %40;"
            " o use database.odbc, que la lleva tal cual"
        )
        raise PydanticCustomError("aforo", text)
    if not re.match(r"[A-Za-z][\w+.-]*://", plain) or not has_host_and_port(plain):
        raise ValueError("url")
    return value


def _rule(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _rule_table(value)
    if not isinstance(value, str):
        raise ValueError("rule")  # noqa: TRY004 - pydantic turns only ValueError into its own error
    Rule.of(value)
    return value


def _rule_table(table: Mapping[Any, Any]) -> Any:
    """Return a table of conditions. Raises a ``rule`` error with the first key that is not allowed, and its value."""
    if not table:
        raise PydanticCustomError("rule", "", {"key": "", "shown": "{}", "allowed": RULE_KEYS})
    for key, value in table.items():
        if key == "stored":
            good = value is True
        elif key in CONDITIONS:
            good = isinstance(value, str) and _is_condition(value, exact=key == "camera")
        else:
            raise PydanticCustomError("rule", "", {"key": "", "shown": str(key), "allowed": RULE_KEYS})
        if not good:
            allowed = "true" if key == "stored" else CONDITION
            raise PydanticCustomError("rule", "", {"key": key, "shown": str(value), "allowed": allowed})
    return dict(table)


def _is_condition(text: str, *, exact: bool) -> bool:
    try:
        Matcher.parse(text, bare=True, exact=exact)
    except ValueError:
        return False
    return True


def _history_rule(value: Any) -> Any:
    if isinstance(value, Mapping) and "stored" in value:  # what the history keeps cannot depend on itself
        raise PydanticCustomError("rule", "", {"key": "", "shown": "stored", "allowed": HISTORY_RULE_KEYS})
    return _rule(value)


def _password_hash(value: Any) -> Any:
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(plain, str):
        return value
    found = SCRYPT.fullmatch(plain.strip())
    n, r, p = map(int, found.groups()) if found else (0, 0, 0)
    if n & (n - 1) or not (n and r and 1 <= p <= 4) or 128 * n * r > _MAX_SCRYPT_BYTES:  # what scrypt cannot compute
        raise ValueError("hash")
    return plain.strip()


def _address(value: Any) -> Any:
    return str(ipaddress.ip_address(value.strip())) if isinstance(value, str) else value


def _empty_at(value: Any) -> Any:
    if not isinstance(value, str) or not EMPTY_AT.fullmatch(text := value.strip().lower()):
        raise ValueError("empty_at")
    return text


def _table(value: Any) -> Any:
    if isinstance(value, str) and value and not TABLE.fullmatch(value):
        raise ValueError("table")
    return value


Number = Annotated[float, BeforeValidator(_no_bool)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
OptionalFile = Annotated[Path | None, BeforeValidator(_file_or_none)]
WrittenRule = Annotated[str | dict[str, str | bool], BeforeValidator(_rule)]
HistoryRule = Annotated[str | dict[str, str | bool], BeforeValidator(_history_rule)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
Https = Annotated[str, BeforeValidator(_https)]
PushUrl = Annotated[str, BeforeValidator(_push_url)]
Fingerprint = Annotated[str, BeforeValidator(_fingerprint)]
YesNo = Annotated[bool, BeforeValidator(_yes_no)]
TimeZone = Annotated[ZoneInfo, BeforeValidator(_timezone)]
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]
PasswordHash = Annotated[SecretStr, BeforeValidator(_password_hash)]
IpAddress = Annotated[str, BeforeValidator(_address)]
EmptyAt = Annotated[str, BeforeValidator(_empty_at)]
TableName = Annotated[str, BeforeValidator(_table)]
