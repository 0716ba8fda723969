"""Authentication: the checks of ``/login``, and the sessions."""

import hmac
import random
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from aforo.simulator.serialization import AnswerError
from aforo.simulator.server_profile import ServerProfile, TokenHash


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs to log in. The defaults are invented and open nothing but the simulator."""

    username: str = "monitor"
    password: str = field(default="clave-inventada", repr=False)
    user_nonce: str = field(default="nonce-inventado", repr=False)
    user_key: str = field(default="llave-inventada", repr=False)
    integration_id: str = field(default="", repr=False)


_FIELDS = ("username", "password", "clientName", "authorizationToken")


class SessionStore:
    """Checks logins and keeps the sessions.

    ``now`` is aware UTC. Every check raises AnswerError with the HTTP status of the answer.
    """

    def __init__(self, credentials: Credentials, profile: ServerProfile, seed: int) -> None:
        self._credentials = credentials
        self._profile = profile
        self._random = random.Random(f"sessions {seed}")  # with the seed alone they would be the cameras' ids
        self._last_used: dict[str, datetime] = {}

    def login(self, body: Mapping[str, object], now: datetime) -> str:
        """Check the body of ``/login`` and return a new session."""
        for name in _FIELDS:
            if not isinstance(body.get(name), str) or not body[name]:
                raise AnswerError(400, f"{name} is missing or empty.", "BAD_REQUEST")
        if body.get("clientVersion", "1.0") not in self._profile.client_versions:
            raise AnswerError(500, "unknown client version.", "INTERNAL_SERVER_ERROR")
        self._check_token(str(body["authorizationToken"]), now)
        user = (body["username"], body["password"])
        if user != (self._credentials.username, self._credentials.password):
            raise AnswerError(401, "invalid user name or password.", "UNAUTHORIZED")
        session = urlsafe_b64encode(self._random.randbytes(48)).decode()
        self._last_used[session] = now
        return session

    def check(self, session: str | None, now: datetime) -> None:
        """Check that a session is known and has not expired, and prolong it."""
        last_used = self._last_used.get(session or "")
        if session is None or last_used is None:
            raise AnswerError(401, "invalid session.", "UNAUTHORIZED")
        if now - last_used >= timedelta(seconds=self._profile.session_seconds):
            self.forget(session)
            raise AnswerError(401, "session expired.", "UNAUTHORIZED")
        self._last_used[session] = now

    def change_credentials(self, credentials: Credentials) -> None:
        """Accept only these credentials from now on; sessions stay."""
        self._credentials = credentials

    def forget(self, session: str) -> None:
        """End one session; an unknown one is no error."""
        self._last_used.pop(session, None)

    def forget_all(self) -> None:
        """End every session, as a restart of the server does."""
        self._last_used.clear()

    def _check_token(self, token: str, now: datetime) -> None:
        nonce, stamp, digest, *more = [*token.split(":"), "", ""]
        integration = more[0] if len(more) > 2 else ""
        proven = hmac.compare_digest(digest.encode(), self._digest(stamp).encode())
        if nonce != self._credentials.user_nonce or not proven or len(more) > 3:
            raise AnswerError(403, "cannot authenticate token.", "FORBIDDEN")
        if integration != self._credentials.integration_id or token.endswith(":"):
            raise AnswerError(403, "unknown integration.", "FORBIDDEN")
        if not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > self._profile.clock_tolerance_seconds:
            raise AnswerError(403, "token timestamp out of range.", "FORBIDDEN")

    def _digest(self, stamp: str) -> str:
        text = stamp + self._credentials.user_key
        if self._profile.token_hash is TokenHash.NONCE_TIMESTAMP_KEY:
            text = self._credentials.user_nonce + text
        return sha256(text.encode()).hexdigest()
