"""The settings of the page and of the alerts."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator
from pydantic_core import PydanticCustomError

from aforo.settings.base import SECONDS, Section, setting
from aforo.settings.kinds import Number, OptionalFile, PasswordHash, Whole

SHORTEST_TOKEN = 16  # characters: long enough that nobody guesses it at the rate that the page allows


class OperatorSettings(Section):
    """Somebody who may correct the aforo on the page."""

    name: str = setting(..., "Nombre de la cuenta.", "un texto no vacío", min_length=1, max_length=60)
    password_hash: PasswordHash = setting(..., "Huella de su contraseña.", "lo que escribe «aforo password»")


class WebSettings(Section):
    """The page of the control room."""

    host: str = setting(
        "127.0.0.1", "Dirección en que escucha la página.", "un nombre o una dirección IP", min_length=1
    )
    port: Whole = setting(8080, "Puerto de la página; 0: sin página.", "un entero entre 0 y 65535", ge=0, le=65535)
    operators: list[OperatorSettings] = setting(
        [],
        "Quién puede corregir el aforo.",
        "una lista de tablas [[web.operators]] con name y password_hash (lo que escribe «aforo password»)",
        secret=True,
    )
    read_token: SecretStr = setting(
        SecretStr(""),
        "Clave que deja ver la página y los datos desde otra máquina, sin poder corregir.",
        "un texto de 16 caracteres o más",
        from_file=True,
    )
    certificate_file: OptionalFile = setting(
        None, "Certificado (PEM) para servir la página por HTTPS.", "la ruta de un archivo PEM"
    )
    key_file: OptionalFile = setting(None, "Clave privada (PEM) de ese certificado.", "la ruta de un archivo PEM")

    @model_validator(mode="after")
    def _fits_together(self) -> "WebSettings":
        token = self.read_token.get_secret_value()
        if token and len(token) < SHORTEST_TOKEN:
            raise PydanticCustomError("aforo", "web.read_token es demasiado corto: se admiten 16 caracteres o más")
        names = [operator.name.strip().casefold() for operator in self.operators]
        if len(set(names)) < len(names):
            raise PydanticCustomError("aforo", "web.operators tiene dos cuentas con el mismo nombre")
        if (self.certificate_file is None) != (self.key_file is None):
            raise PydanticCustomError("aforo", "web.certificate_file y web.key_file van juntos: falta uno de los dos")
        return self


class AlertsSettings(Section):
    """When the page, the log and the webhook warn of something."""

    webhook_url: SecretStr = setting(
        SecretStr(""), "Dirección a la que se envía cada aviso; vacía: a ninguna.", "una URL http o https",
        from_file=True,
    )  # fmt: skip
    webhook_format: Literal["json", "teams", "slack"] = setting(
        "json", "Forma del mensaje que se envía.", "json, teams o slack"
    )
    hysteresis: Number = setting(
        3.0, "Puntos de porcentaje que una zona ha de bajar de un nivel para que su aviso termine.",
        "un número entre 0 y 50", ge=0, le=50,
    )  # fmt: skip
    minimum: Number = setting(
        120.0, "Segundos entre dos avisos de lo mismo, como poco.", SECONDS, ge=0, allow_inf_nan=False
    )
    silent_door: Number = setting(
        900.0, "Segundos sin pasos por los que se avisa de una puerta callada, si las demás cuentan; 0: nunca.",
        SECONDS, ge=0, allow_inf_nan=False,
    )  # fmt: skip
    camera_gone: Number = setting(
        180.0, "Segundos sin contestar por los que se avisa de una cámara; 0: nunca.", SECONDS, ge=0,
        allow_inf_nan=False,
    )  # fmt: skip
    stale: Number = setting(
        300.0, "Segundos de atraso por los que se avisa de que el aforo no es de ahora.",
        "un número de segundos, 1 o mayor", ge=1, allow_inf_nan=False,
    )  # fmt: skip
    database_down: Number = setting(
        60.0, "Segundos sin base de datos por los que se avisa; 0: nunca.", SECONDS, ge=0, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _an_address(self) -> "AlertsSettings":
        parts = urlsplit(self.webhook_url.get_secret_value())
        if any(parts) and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise PydanticCustomError("aforo", "alerts.webhook_url no sirve: se admite una URL http o https")
        return self
