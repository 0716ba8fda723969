"""The login, and one renewal for all who wait when the session has expired."""

import asyncio
from collections import deque
from datetime import timedelta

from aforo.avigilon.auth import authorization_token
from aforo.avigilon.errors import ApiError, quoted, refusal, to_acc_error
from aforo.avigilon.payloads import decode_session
from aforo.avigilon.transport import Transport
from aforo.clock import Clock
from aforo.errors import AccDenied, AccError, AccRejectedLogin, BadSetting
from aforo.settings import AccSettings
from aforo.wording import duration

_NEEDED = ("url", "username", "password", "user_nonce", "user_key")
_NO_NEW_TRY = 30.0  # seconds without a new login after a refused one: servers lock accounts that insist
_CLOCKS_APART = timedelta(seconds=30)  # worth saying; the server accepts up to about five minutes
_REMEMBERED = 16  # sessions whose secret is still struck from the server's own words
_LOGOUT_SECONDS = 5.0  # nobody waits longer for a goodbye


class Session:
    """``generation`` grows with each login: who holds an older one waits for no new login, but takes what is there."""

    def __init__(self, settings: AccSettings, clock: Clock, wire: Transport) -> None:
        self.generation = 0
        self.secret = ""
        self._held: deque[str] = deque(maxlen=_REMEMBERED)
        self._settings = settings
        self._clock = clock
        self._wire = wire
        self._renewal: asyncio.Task[None] | None = None
        self._refused: tuple[float, AccRejectedLogin] | None = None

    def __repr__(self) -> str:
        return f"<Session {self.generation}>"

    @property
    def secrets(self) -> list[str]:
        """What may never be shown, whoever repeats it."""
        held = (self._settings.password, self._settings.user_nonce, self._settings.user_key)
        return [*self._held, *(one.get_secret_value() for one in held)]

    async def renew(self, stale: int) -> None:
        """Have a younger session than ``stale``: of all who ask at once, one logs in and the others wait for it.

        Raises what the login raises, for all of them; after a refused login, for a while without asking again.
        """
        if self.generation != stale:
            return
        if self._refused is not None and self._clock.monotonic() - self._refused[0] < _NO_NEW_TRY:
            known = self._refused[1]
            raise AccRejectedLogin(known.what, known.meaning, known.remedy) from known
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self.login())
            self._renewal.add_done_callback(_retrieve)
        await asyncio.shield(self._renewal)

    async def login(self) -> None:
        """Log in, whatever session there is. Raises AccError (AccRejectedLogin, AccUnreachable, …) or BadSetting."""
        missing = [f"acc.{name}" for name in _NEEDED if not _plain(getattr(self._settings, name))]
        if missing:
            raise BadSetting(f"Falta {', '.join(missing)}.", remedy="Escríbalo en aforo.toml, .env o el entorno.")
        reply = await self._wire.exchange("POST", "/login", body=self._credentials())
        try:
            if reply.status >= 400:
                raise refusal(reply.status, reply.body)
            self.secret = decode_session(reply.body)
        except ApiError as refused:
            raise self._told(refused) from None
        self._held.append(self.secret)
        self.generation += 1
        self._refused = None

    async def logout(self) -> None:
        """End the session, as far as the server takes notice. Raises no AccError."""
        session, self.secret = self.secret, ""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})
        if not session:
            return
        try:
            body = {"session": session}
            await self._wire.exchange("POST", "/logout", body=body, session=session, seconds=_LOGOUT_SECONDS)
        except AccError:
            return  # the session dies by itself after an hour

    def denied(self, refused: ApiError) -> AccDenied:
        """The error for a request that is refused even with a fresh session."""
        return AccDenied(
            f"El servidor de cámaras rechaza la consulta aun con una sesión recién iniciada"
            f" ({refused.status}{quoted(refused.message, self.secrets)}).",
            remedy="Revise en ACC los derechos del usuario (Web Endpoint y esas cámaras).",
        )

    def _credentials(self) -> dict[str, str]:
        settings = self._settings
        token = authorization_token(
            user_nonce=settings.user_nonce.get_secret_value(),
            user_key=settings.user_key.get_secret_value(),
            integration_id=settings.integration_id.get_secret_value(),
            token_hash=settings.token_hash,
            now=self._clock.now(),
        )
        return {
            "username": settings.username,
            "password": settings.password.get_secret_value(),
            "clientName": settings.client_name,
            "authorizationToken": token,
        }

    def _told(self, refused: ApiError) -> AccError:
        if not refused.of_session:
            return to_acc_error(refused, self.secrets)
        words = quoted(refused.message, self.secrets)
        error = self._wrong_password(words) if refused.status == 401 else self._wrong_token(words)
        self._refused = (self._clock.monotonic(), error)
        return error

    def _wrong_password(self, words: str) -> AccRejectedLogin:
        return AccRejectedLogin(
            f"El servidor de cámaras no acepta el usuario o la contraseña (401{words}).",
            "Sin sesión no se puede contar.",
            "Revise acc.username y acc.password, y que ese usuario pueda entrar en ACC.",
        )

    def _wrong_token(self, words: str) -> AccRejectedLogin:
        return AccRejectedLogin(
            f"El servidor de cámaras no puede autenticar el token (403{words}).",
            f"Sin sesión no se puede contar. {self._clocks()}",
            "Revise acc.user_nonce, acc.user_key, acc.integration_id y acc.token_hash; que el usuario tenga en ACC el"
            " derecho del Web Endpoint; y la hora de ambas máquinas.",
        )

    def _clocks(self) -> str:
        skew = self._wire.skew
        if skew is None:
            return "No se sabe qué hora tiene el servidor."
        if abs(skew) < _CLOCKS_APART:
            return "Los relojes van bien: el servidor tiene la misma hora."
        way = "adelantado" if skew > timedelta(0) else "atrasado"
        return f"El reloj del servidor va {way} {duration(abs(skew).total_seconds())} respecto a este."


def _plain(value: object) -> str:
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal() if reveal is not None else value)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Take note of the outcome: whoever waited for it may be gone."""
    if not task.cancelled():
        task.exception()
