"""Who asks, and what they may do: accounts, the read token, signed session cookies, CSRF tokens. No state but logouts.

A session is signed with a key made of the accounts themselves: it outlives a restart, and a changed password ends it.
"""

import hashlib
import hmac
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aforo.settings import WebSettings

COOKIE = "aforo_session"
_OPERATOR_SECONDS = 12 * 3600  # an evening and its set-up
_READER_SECONDS = 30 * 24 * 3600  # a wall display is not logged in again before each match
_MOST_LOGOUTS = 1_000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. ``name`` is "" for who only reads."""

    name: str = ""
    may_read: bool = False
    may_correct: bool = False
    session: str = ""
    csrf: str = ""


class Attempt(NamedTuple):
    """A login to compare: which account, if any, and the hash that the password must fit."""

    name: str | None
    password_hash: str


class Sessions:
    """Makes and checks sessions. ``seconds`` are Unix time, handed in."""

    def __init__(self, settings: WebSettings, nobody: str) -> None:
        self._operators = {
            operator.name.strip().casefold(): (operator.name.strip(), operator.password_hash.get_secret_value())
            for operator in settings.operators
        }
        self._token = settings.read_token.get_secret_value()
        self._nobody = nobody
        secrets = [*sorted(f"{name}:{stored}" for name, stored in self._operators.values()), self._token]
        self._key = hashlib.sha256("\n".join(["aforo session", *secrets]).encode()).digest()
        self._logouts: OrderedDict[str, None] = OrderedDict()

    @property
    def accounts(self) -> bool:
        """There are operators."""
        return bool(self._operators)

    @property
    def closed(self) -> bool:
        """There is something to log in with."""
        return bool(self._operators or self._token)

    def is_read_token(self, text: str) -> bool:
        """Whether that is the read token."""
        return bool(self._token) and hmac.compare_digest(text.encode(), self._token.encode())

    def attempt(self, name: str) -> Attempt:
        """What a password must be compared with; for a name that nobody has, something that takes as long."""
        operator = self._operators.get(name.strip().casefold())
        return Attempt(*operator) if operator else Attempt(None, self._nobody)

    def begin(self, name: str, seconds: float) -> tuple[str, int]:
        """A new session's cookie and how many seconds it lives; ``name`` "" only reads."""
        lives = _OPERATOR_SECONDS if name else _READER_SECONDS
        claim = {"name": name, "until": int(seconds) + lives, "id": os.urandom(12).hex()}
        payload = urlsafe_b64encode(json.dumps(claim).encode()).decode().rstrip("=")  # a cookie takes no "=" unquoted
        return f"{payload}.{self._sign(payload)}", lives

    def visitor(self, cookie: str, seconds: float) -> Visitor:
        """Who a cookie belongs to; nobody, where it is not ours, too old, or logged out."""
        payload, _, signature = cookie.partition(".")
        if not self.closed or not hmac.compare_digest(signature.encode(), self._sign(payload).encode()):
            return Visitor()
        claim = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if claim["until"] <= seconds or claim["id"] in self._logouts:
            return Visitor()
        operator = self._operators.get(claim["name"].casefold())
        if claim["name"] and operator is None:
            return Visitor()
        csrf = self._sign(f"csrf {claim['id']}")
        return Visitor(claim["name"], True, operator is not None, claim["id"], csrf)

    def end(self, session: str) -> None:
        """Log out: the cookie is worth nothing any more, whoever has it."""
        self._logouts[session] = None
        while len(self._logouts) > _MOST_LOGOUTS:
            self._logouts.popitem(last=False)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def cookie_header(value: str, lives: int, *, secure: bool) -> str:
    """The Set-Cookie header; ``lives`` 0 takes the cookie away."""
    parts = [f"{COOKIE}={value}", "Path=/", f"Max-Age={lives}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def cookie_in(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Our cookie's value among a request's headers; "" where there is none."""
    for name, value in headers:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, text = part.strip().partition("=")
                if key == COOKIE:
                    return text
    return ""
