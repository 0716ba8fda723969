"""The session at the server: authorization token, login, one renewal for all requests, and when a renewal is tried.

A rejected read (401, 403) has one of two causes: the session has expired, or this user may not read that. A new login
helps against the first only, and servers lock accounts that log in too often.
"""

import asyncio
import hashlib
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import SecretStr

from aforo.avigilon.errors import SESSION_STATUSES, ApiError, parse_error, quoted, to_acc_error
from aforo.avigilon.hedging import Hedging
from aforo.avigilon.payloads import decode_session
from aforo.avigilon.transport import Response, Transport
from aforo.clock import Clock
from aforo.errors import AccDenied, AccError, AccRejectedLogin, BadSetting
from aforo.reference_clock import NOTEWORTHY, ReferenceClock
from aforo.settings import AccSettings
from aforo.wording import duration

TokenHash = Literal["timestamp+key", "nonce+timestamp+key"]

_REQUIRED = ("url", "username", "password", "user_nonce", "user_key")
_LOGIN_PAUSE = 30.0  # seconds without another login after a rejected one: servers lock accounts that insist
_LOGOUT_SECONDS = 5.0  # the end of the program waits no longer for a logout
_FIRST_PAUSE = 5.0  # seconds between two renewals on trial: a server that is starting up may lose sessions…
_KNOWN_PAUSE = 1.0  # the same for what an earlier session has read
_LONGEST_PAUSE = 300.0  # …and then twice as long each time: a right that was given may count for new sessions only


def authorization_token(
    *, user_nonce: str, user_key: str, integration_id: str, token_hash: TokenHash, now: datetime
) -> str:
    """Return ``nonce:timestamp:sha256[:integration]``; the timestamp is the Unix second of ``now`` (aware), as text.

    Hashed is ``timestamp + key`` (the guide and every working client) or ``nonce + timestamp + key``.
    """
    timestamp = str(int(now.timestamp()))
    prefix = user_nonce if token_hash == "nonce+timestamp+key" else ""  # noqa: S105 -- the name of a way to hash
    digest = hashlib.sha256(f"{prefix}{timestamp}{user_key}".encode()).hexdigest()
    parts = [user_nonce, timestamp, digest]
    if integration_id:
        parts.append(integration_id)
    return ":".join(parts)


def _hashes(token: str) -> list[str]:
    """Return the part of a token that is no setting and no time."""
    return [part for part in token.split(":") if len(part) == 2 * hashlib.sha256().digest_size]


class Session:
    """Logs in and out. Sessions and tokens are added to the transport's mask, which knows the other secrets.

    ``generation`` grows with each login: a request that was rejected with an older session uses the present one.
    """

    def __init__(self, settings: AccSettings, clock: ReferenceClock, transport: Transport, hedging: Hedging) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._hedging = hedging
        self._generation = 0
        self._id = ""
        self._mask = transport.mask
        self._renewal: asyncio.Task[None] | None = None
        self._rejected: tuple[float, AccRejectedLogin] | None = None

    def __repr__(self) -> str:
        return f"<Session {self._generation}>"

    @property
    def generation(self) -> int:
        """How many logins succeeded; 0 before the first."""
        return self._generation

    @property
    def id(self) -> str:
        """What requests carry; "" without a session. It is a secret."""
        return self._id

    async def renew(self, stale: int) -> None:
        """Have a younger session than generation ``stale``: all who call at once share one login.

        Raises what the login raises, for all of them; after a rejected login, for a while without sending another.
        """
        if self._generation != stale:
            return
        if self._rejected is not None and self._clock.monotonic() - self._rejected[0] < _LOGIN_PAUSE:
            known = self._rejected[1]
            raise AccRejectedLogin(known.what, known.meaning, known.remedy) from known
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self.login())
            self._renewal.add_done_callback(_retrieve_exception)
        await asyncio.shield(self._renewal)

    async def login(self) -> None:
        """Log in, whatever session there is. Raises AccError (AccRejectedLogin, AccUnreachable, …) or BadSetting.

        The token holds a timestamp. Where the login is rejected, and the answer's Date shows that the server has
        another time, it is sent once more with that: once only, for servers lock accounts.
        """
        missing = [f"acc.{name}" for name in _REQUIRED if not _plain(getattr(self._settings, name))]
        if missing:
            raise BadSetting(f"Falta {', '.join(missing)}.", remedy="Escríbalo en aforo.toml, .env o el entorno.")
        stamped, began = self._clock.now(), self._clock.monotonic()
        response = await self._send_login(stamped)
        theirs = self._clock.server_time
        ours = stamped + timedelta(seconds=self._clock.monotonic() - began)  # the clock may follow the server's by now
        if response.status in SESSION_STATUSES and theirs is not None and abs(theirs - ours) > NOTEWORTHY:
            response = await self._send_login(theirs)
        try:
            if response.status >= 400:
                raise parse_error(response.status, response.body)
            self._id = decode_session(response.body)
        except ApiError as error:
            raise self._login_error(error) from None
        self._mask.add(self._id)
        self._generation += 1
        self._rejected = None

    async def logout(self) -> None:
        """End the session, as far as the server takes notice. Raises no AccError."""
        session, self._id = self._id, ""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})
        if not session:
            return
        try:
            body = {"session": session}
            await self._transport.exchange("POST", "/logout", body=body, session=session, seconds=_LOGOUT_SECONDS)
        except AccError:
            return  # the session ends by itself after an hour

    def to_acc_error(self, error: ApiError) -> AccError:
        """Return the AccError for a read that was answered with an error, if need be after a renewal."""
        if not error.of_session:
            return to_acc_error(error, self._mask)
        return AccDenied(
            f"El servidor de cámaras rechaza la consulta aun con una sesión recién iniciada"
            f" ({error.status}{quoted(error.message, self._mask)}).",
            remedy="Revise en ACC los derechos del usuario (Web Endpoint y esas cámaras).",
        )

    async def _send_login(self, stamp: datetime) -> Response:
        """Send a login whose token is of that instant."""
        body = self._credentials(stamp)
        return await self._hedging.answer("/login", lambda: self._transport.exchange("POST", "/login", body=body))

    def _credentials(self, stamp: datetime) -> dict[str, str]:
        settings = self._settings
        token = authorization_token(
            user_nonce=settings.user_nonce.get_secret_value(),
            user_key=settings.user_key.get_secret_value(),
            integration_id=settings.integration_id.get_secret_value(),
            token_hash=settings.token_hash,
            now=stamp,
        )
        for secret in (token, *_hashes(token)):
            self._mask.add(secret)
        return {
            "username": settings.username,
            "password": settings.password.get_secret_value(),
            "clientName": settings.client_name,
            "authorizationToken": token,
        }

    def _login_error(self, error: ApiError) -> AccError:
        if not error.of_session:
            return to_acc_error(error, self._mask)
        message = quoted(error.message, self._mask)
        rejected = self._wrong_password(message) if error.status == 401 else self._wrong_token(message)
        self._rejected = (self._clock.monotonic(), rejected)
        return rejected

    def _wrong_password(self, message: str) -> AccRejectedLogin:
        return AccRejectedLogin(
            f"El servidor de cámaras no acepta el usuario o la contraseña (401{message}).",
            "Sin sesión no se puede contar.",
            "Revise acc.username y acc.password, y que ese usuario pueda entrar en ACC.",
        )

    def _wrong_token(self, message: str) -> AccRejectedLogin:
        return AccRejectedLogin(
            f"El servidor de cámaras no puede autenticar el token (403{message}).",
            f"Sin sesión no se puede contar. {self._clock_comparison()}",
            "Revise acc.user_nonce, acc.user_key, acc.integration_id y acc.token_hash; que el usuario tenga en ACC el"
            " derecho del Web Endpoint; y la hora de ambas máquinas.",
        )

    def _clock_comparison(self) -> str:
        skew = self._clock.skew
        if skew is None:
            return "No se sabe qué hora tiene el servidor."
        if abs(skew) <= NOTEWORTHY:
            return "Los relojes van bien: el servidor tiene la misma hora."
        direction = "adelantado" if skew > timedelta(0) else "atrasado"
        apart = f"El reloj del servidor va {direction} {duration(abs(skew).total_seconds())} respecto a este"
        return f"{apart}; con la hora del servidor tampoco lo acepta."


class RenewalPolicy:
    """Decides whether a rejected read is sent again with a new session.

    A subject (a camera or a list) that the same session has read before means that the session has expired: it is
    renewed at once, once for all. One that an earlier session has read renews it too, but not again right away: its
    right may have been withdrawn. Other subjects may be forbidden for good, and there may be thousands: together they
    get a renewal on trial now and then, with ever longer pauses.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_with: dict[str, int] = {}
        self._given_up = 0
        self._given_up_at = -math.inf
        self._pause = _FIRST_PAUSE
        self._next_trial_at = -math.inf

    def record_read(self, subjects: Iterable[str], generation: int) -> None:
        """Record that the session of that generation has read those subjects."""
        self._read_with.update(dict.fromkeys(subjects, generation))

    def should_renew(self, subjects: Iterable[str], generation: int) -> bool:
        """Return whether to take a session younger than that generation, with which those subjects were rejected."""
        if generation <= self._given_up:
            return True
        now = self._clock.monotonic()
        read_with = {self._read_with[subject] for subject in subjects if subject in self._read_with}
        expired = generation in read_with or (bool(read_with) and now - self._given_up_at >= _KNOWN_PAUSE)
        if not expired and now < self._next_trial_at:
            return False
        self._given_up, self._given_up_at = generation, now
        if now - self._next_trial_at > _LONGEST_PAUSE:
            self._pause = _FIRST_PAUSE
        self._next_trial_at = max(self._next_trial_at, now + self._pause)
        if not expired:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause)
        return True


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _retrieve_exception(task: "asyncio.Task[None]") -> None:
    """Mark the exception as seen: whoever waited for the task may be gone."""
    if not task.cancelled():
        task.exception()
