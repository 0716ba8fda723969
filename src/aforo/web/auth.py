"""Accounts and sessions: scrypt password hashes, the read token, signed session cookies and CSRF tokens.

A hash is written as ``scrypt$n$r$p$salt$hash``. A session is signed with a key derived from the accounts: it outlives
a restart, and a changed password ends it. The only state is the ids of the sessions that were logged out, each until
its session would have ended by itself.
"""

import hashlib
import hmac
import json
import math
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from aforo.settings import WebSettings

MIN_PASSWORD_LENGTH = 8  # characters of a new password
COOKIE = "aforo_session"

_N, _R, _P = 2**15, 8, 1  # about a tenth of a second and 32 MB for each guess
_MAX_SCRYPT_MEMORY = 2**27  # bytes: twice the work of these parameters fits
_MAX_PASSWORD_LENGTH = 1024  # characters: bounds the cost of hashing
_OPERATOR_SECONDS = 12 * 3600  # an event and its set-up
_READER_SECONDS = 30 * 24 * 3600  # a wall display is not logged in again before each match


def hash_password(password: str, n: int = _N, r: int = _R, p: int = _P) -> str:
    """Return the text for ``password_hash``; the salt differs each time."""
    salt = os.urandom(16)
    return f"scrypt${n}${r}${p}${_encode(salt)}${_encode(_scrypt(password, salt, n, r, p))}"


def verify_password(password: str, stored: str) -> bool:
    """Return whether the hash belongs to the password. It takes a tenth of a second: not on the event loop."""
    if len(password) > _MAX_PASSWORD_LENGTH:
        return False
    _, n, r, p, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(password, _decode(salt), int(n), int(r), int(p)), _decode(digest))


def decoy_hashes(hashes: Iterable[str]) -> list[str]:
    """Return what logins with unknown names are compared with: a hash for each cost that the accounts' hashes have.

    So they take as long as those with known names.
    """
    costs = {tuple(map(int, stored.split("$")[1:4])) for stored in hashes} or {(_N, _R, _P)}
    return [_decoy(*cost) for cost in sorted(costs)]


@cache
def _decoy(n: int, r: int, p: int) -> str:
    return hash_password(os.urandom(8).hex(), n, r, p)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sends a request and what it may do. ``name`` is "" for a visitor that only reads.

    ``identified``: it has shown a session or the read token. ``until``: when its session ends by itself, Unix time.
    """

    name: str = ""
    may_read: bool = False
    may_correct: bool = False
    session: str = ""
    csrf: str = ""
    identified: bool = False
    until: float = math.inf


class Credential(NamedTuple):
    """What the password of a login is compared with: the account's name, None for an unknown one, and a hash."""

    name: str | None
    password_hash: str


class Sessions:
    """Creates and checks sessions. ``seconds`` are Unix time. Made off the event loop: it may hash once."""

    def __init__(self, settings: WebSettings) -> None:
        self._operators = {
            operator.name.strip().casefold(): Credential(
                operator.name.strip(), operator.password_hash.get_secret_value()
            )
            for operator in settings.operators
        }
        self._read_token = settings.read_token.get_secret_value()
        accounts = sorted(f"{operator.name}:{operator.password_hash}" for operator in self._operators.values())
        self._key = hashlib.sha256("\n".join(["aforo session", *accounts, self._read_token]).encode()).digest()
        self._decoys = decoy_hashes(operator.password_hash for operator in self._operators.values())
        self._logged_out: dict[str, float] = {}  # until when the session would have been valid
        self._not_restored_since: float | None = None  # sessions begun before that are not accepted yet

    @property
    def has_accounts(self) -> bool:
        """Whether there are operators."""
        return bool(self._operators)

    def is_read_token(self, text: str) -> bool:
        """Return whether that is the read token."""
        return bool(self._read_token) and hmac.compare_digest(text.encode(), self._read_token.encode())

    def credential(self, name: str) -> Credential:
        """Return what the password of that account must match; for an unknown name, a decoy hash, always the same."""
        account = name.strip().casefold()
        decoy = self._decoys[int(self._sign(f"decoy {account}"), 16) % len(self._decoys)]
        return self._operators.get(account, Credential(None, decoy))

    def begin(self, name: str, seconds: float) -> tuple[str, int]:
        """Return a new session's cookie and its life in seconds; with ``name`` "" the session only reads."""
        max_age = _OPERATOR_SECONDS if name else _READER_SECONDS
        claim = {"name": name, "until": int(seconds) + max_age, "id": os.urandom(12).hex()}
        payload = _encode(json.dumps(claim).encode())
        return f"{payload}.{self._sign(payload)}", max_age

    def visitor(self, cookie: str, seconds: float) -> Visitor:
        """Return whom a cookie belongs to; one without rights where it is forged, expired or logged out."""
        payload, _, signature = cookie.partition(".")
        login_exists = self._operators or self._read_token
        if not login_exists or not hmac.compare_digest(signature.encode(), self._sign(payload).encode()):
            return Visitor()
        claim = json.loads(_decode(payload))
        if claim["until"] <= seconds or claim["id"] in self._logged_out:
            return Visitor()
        begun = claim["until"] - (_OPERATOR_SECONDS if claim["name"] else _READER_SECONDS)
        if self._not_restored_since is not None and begun < int(self._not_restored_since):
            return Visitor()
        operator = self._operators.get(claim["name"].casefold())
        if claim["name"] and operator is None:
            return Visitor()
        csrf = self._sign(f"csrf {claim['id']}")
        return Visitor(claim["name"], True, operator is not None, claim["id"], csrf, True, claim["until"])

    def end(self, visitor: Visitor, seconds: float) -> None:
        """Log out: the cookie is no longer accepted, copies of it included."""
        self._logged_out = {session: until for session, until in self._logged_out.items() if until > seconds}
        self._logged_out[visitor.session] = visitor.until

    def await_restoring(self, seconds: float) -> None:
        """Accept no session that was begun before, until ``restore`` says which of them were logged out."""
        self._not_restored_since = seconds

    def restore(self, logged_out: Iterable[str], seconds: float) -> None:
        """Take over the ids of the sessions that were logged out before a restart."""
        self._logged_out.update(dict.fromkeys(logged_out, seconds + _READER_SECONDS))
        self._not_restored_since = None

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def set_cookie(value: str, max_age: int, *, secure: bool) -> str:
    """Return the Set-Cookie header's value; ``max_age`` 0 (seconds) removes the cookie."""
    parts = [f"{COOKIE}={value}", "Path=/", f"Max-Age={max_age}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def session_cookie(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the session cookie's value among a request's headers; "" where there is none."""
    for name, value in headers:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, text = part.strip().partition("=")
                if key == COOKIE:
                    return text
    return ""


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MAX_SCRYPT_MEMORY, dklen=32)


def _encode(raw: bytes) -> str:
    """Base64 without padding: an unquoted cookie must not hold "="."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
