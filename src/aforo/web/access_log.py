"""What is logged and counted of logins and refusals: however many there are, the log grows at a bounded rate."""

import logging
from collections import Counter

from aforo.http_server.bounded_log import BoundedLog

REFUSALS = {
    "request_rate": "La página recibe demasiadas peticiones de %s: las que sobran se rechazan.",
    "login_rate": "Demasiados intentos de iniciar sesión desde %s: los que sobran se rechazan.",
    "connection_rate": "La página recibe demasiadas conexiones de %s: las que sobran se cierran.",
    "places": (
        "La página tiene todas las conexiones que admite: cierra las que no han iniciado sesión. Llega otra de %s."
    ),
    "descriptors": (
        "Al programa le quedan pocos archivos y conexiones por abrir: la página cierra conexiones. Llega otra de %s."
    ),
    "forbidden": "La página rechazó una petición que no podía hacerse, desde %s.",
}


class AccessLog:
    """Logins and refusals: a line at a bounded rate for each, and a count for the metrics."""

    def __init__(self) -> None:
        self.bounded_log = BoundedLog(logging.getLogger(__name__))
        self.logins: Counter[str] = Counter({"good": 0, "wrong": 0})
        self.refusals: Counter[str] = Counter(dict.fromkeys(REFUSALS, 0))
        self.handshakes_failed = 0

    def logged_in(self, name: str, address: str) -> None:
        """Count a login; ``name`` is "" for the read token."""
        self.logins["good"] += 1
        self.bounded_log.info(
            "%s inició sesión en la página desde %s.", name or "Quien tiene la clave de lectura", address
        )

    def logged_out(self, name: str, address: str) -> None:
        """Log that a session was ended."""
        self.bounded_log.info(
            "%s cerró su sesión en la página desde %s.", name or "Quien tiene la clave de lectura", address
        )

    def login_failed(self, account: str | None, address: str) -> None:
        """Count a wrong password; ``account`` is None for a name that no operator has, "" for the read token.

        An unknown name is not logged: it may be a password in the wrong field.
        """
        self.logins["wrong"] += 1
        whose = {None: "una cuenta que no existe", "": "la clave de lectura"}.get(account, f"la cuenta {account}")
        self.bounded_log.warning("Contraseña equivocada en la página para %s, desde %s.", whose, address)

    def accept_failed(self, reason: str) -> None:
        """Log, in Spanish, why no connection can be accepted for now."""
        self.bounded_log.warning(
            "La página no puede admitir conexiones (%s). El conteo sigue; se vuelve a intentar.", reason
        )

    def handshake_failed(self) -> None:
        """Count a TLS handshake that was broken off."""
        self.handshakes_failed += 1

    def refused(self, kind: str, address: str) -> None:
        """Count a refusal of one of REFUSALS."""
        self.refusals[kind] += 1
        self.bounded_log.warning(REFUSALS[kind], address)
