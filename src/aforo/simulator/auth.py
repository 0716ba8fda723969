"""Who may ask: the checks of ``/login``, and the sessions that it gives."""

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
    """Checks logins and keeps the sessions; ``now`` is aware UTC. Raises AnswerError with the status to give."""

    def __init__(self, credentials: Credentials, behaviour: ServerProfile, seed: int) -> None:
        self._credentials = credentials
        self._behaviour = behaviour
        self._random = random.Random(seed)
        self._last_used: dict[str, datetime] = {}

    def login(self, body: Mapping[str, object], now: datetime) -> str:
        """A new session for a body of ``/login`` that passes every check."""
        for name in _FIELDS:
            if not isinstance(body.get(name), str) or not body[name]:
                raise AnswerError(400, f"{name} is missing or empty.", "BAD_REQUEST")
        if body.get("clientVersion", "1.0") not in self._behaviour.client_versions:
            raise AnswerError(500, "unknown client version.", "INTERNAL_SERVER_ERROR")
        self._check_token(str(body["authorizationToken"]), now)
        user = (body["username"], body["password"])
        if user != (self._credentials.username, self._credentials.password):
            raise AnswerError(401, "invalid user name or password.", "UNAUTHORIZED")
        session = urlsafe_b64encode(self._random.randbytes(48)).decode()
        self._last_used[session] = now
        return session

    def check(self, session: str | None, now: datetime) -> None:
        """Let a session pass that is known and was used lately, and note the use."""
        last_used = self._last_used.get(session or "")
        if session is None or last_used is None:
            raise AnswerError(401, "invalid session.", "UNAUTHORIZED")
        if now - last_used >= timedelta(seconds=self._behaviour.session_seconds):
            self.forget(session)
            raise AnswerError(401, "session expired.", "UNAUTHORIZED")
        self._last_used[session] = now

    def forget(self, session: str) -> None:
        """End one session; an unknown one is no error."""
        self._last_used.pop(session, None)

    def forget_all(self) -> None:
        """What a restart of the server does to the sessions."""
        self._last_used.clear()

    def _check_token(self, token: str, now: datetime) -> None:
        nonce, stamp, digest, *more = [*token.split(":"), "", ""]
        integration = more[0] if len(more) > 2 else ""
        proven = hmac.compare_digest(digest.encode(), self._digest(stamp).encode())
        if nonce != self._credentials.user_nonce or not proven or len(more) > 3:
            raise AnswerError(403, "cannot authenticate token.", "FORBIDDEN")
        if integration != self._credentials.integration_id or token.endswith(":"):
            raise AnswerError(403, "unknown integration.", "FORBIDDEN")
        if not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > self._behaviour.clock_tolerance_seconds:
            raise AnswerError(403, "token timestamp out of range.", "FORBIDDEN")

    def _digest(self, stamp: str) -> str:
        text = stamp + self._credentials.user_key
        if self._behaviour.token_hash is TokenHash.NONCE_TIMESTAMP_KEY:
            text = self._credentials.user_nonce + text
        return sha256(text.encode()).hexdigest()
