"""Passwords inside addresses: where a URL or an ODBC string has one, in whatever spelling."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

# As SQLAlchemy splits a URL: the user up to the first «:» or «/», the password up to the first «@».
_URL = re.compile(r"[\w+.-]+://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[[^/\]]*\]|[^/:]*)(?::\d*)?(?:/|\Z)")
_NAME = r"(?:pwd|pass|secret|token)[^=&;]*"  # how the names of secret parameters and ODBC keywords begin
_NAMED = re.compile(rf"{_NAME}=", re.IGNORECASE)
_ODBC_VALUE = re.compile(rf"{_NAME}=\s*(\{{(?:[^}}]|\}}\}})*(?:\}}|\Z)|[^;]*)", re.IGNORECASE)
_PARAMETER = re.compile(rf"[?&][^=&]*?{_NAME}=([^&]*)", re.IGNORECASE)
_NO_PORT = re.compile(r"://[^/@:\[]*:(?!\d{1,5}(?:[/?,]|\Z))")  # «user:password» where a host is missing
_DECODINGS = 3  # an ODBC string in a URL is encoded once, and people do it twice


def has_stray_at(url: str) -> bool:
    """Return whether an «@» that is not escaped splits the password of a URL, so that its rest is read as the host."""
    parts = _split(url)
    if parts is None:
        return False
    place, _, query = parts["rest"].partition("?")
    return "@" in place or (parts["password"] is not None and "@" in query)


def has_host_and_port(url: str) -> bool:
    """Return whether host and port of a URL have their form; SQLAlchemy shows them where they do not."""
    parts = _split(url)
    return parts is None or _HOST.match(parts["rest"].partition("?")[0]) is not None


def contains_password(text: str) -> bool:
    """Return whether a URL or an ODBC string has a password, be it misspelled: every user can read an argument."""
    if text.startswith("sqlite:///"):  # a path
        return False
    return any(
        _NAMED.search(decoded) or re.search(r"://.*:.*@", decoded, re.DOTALL) or _NO_PORT.search(decoded)
        for decoded in _decodings(text)
    )


def passwords_in(text: str) -> list[str]:
    """Return the passwords of a URL or an ODBC string, each as it is written and as it is meant, for the masking."""
    parts = _split(text)
    found = [parts["password"]] if parts is not None and parts["password"] else []
    found += [unquote(password) for password in found]
    for decoded in _decodings(text):
        found += _PARAMETER.findall(decoded)
        for value in _ODBC_VALUE.findall(decoded):
            inner = value.removeprefix("{").removesuffix("}")
            found += [value, value.strip(), inner, inner.replace("}}", "}")]
    return [value for value in dict.fromkeys(found) if value]


def without_password(text: str) -> str:
    """Return a rejected value as it may be shown: without all that may be a user or a password."""
    scheme, separator, rest = text.partition("://")
    if "@" in text:
        text = f"{scheme}://***@{rest.rpartition('@')[2]}" if separator else f"***@{text.rpartition('@')[2]}"
    found = _NAMED.search(text)
    return f"{text[: found.end()]}***" if found else text


def _split(url: str) -> re.Match[str] | None:
    return None if url.startswith("sqlite") else _URL.fullmatch(url)


def _decodings(text: str) -> Iterator[str]:
    """Give the text, and what it is when it is decoded again and again."""
    for _ in range(_DECODINGS):
        yield text
        decoded = unquote_plus(text)
        if decoded == text:
            return
        text = decoded
