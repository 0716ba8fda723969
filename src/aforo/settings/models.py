"""All settings: each one's name, default, description and allowed values, the last two in Spanish.

``docs/ajustes.md`` and the sentences about bad settings are generated from these classes: a new setting is a new field.
Nothing is read at import.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote_plus, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from aforo.counting.rules import outer_zones
from aforo.errors import BadSetting
from aforo.models import Rule, Total, Zone
from aforo.settings.credentials import passwords_in
from aforo.settings.value_types import (
    PERCENT,
    SECONDS,
    TEXT,
    DatabaseUrl,
    EmptyAt,
    Fingerprint,
    HistoryRule,
    Https,
    IpAddress,
    LogLevel,
    Number,
    OptionalFile,
    PasswordHash,
    PushUrl,
    Section,
    TableName,
    TimeZone,
    Whole,
    WrittenRule,
    YesNo,
    setting,
)

HISTORY_TABLE = "eventos_Analisis"
SHORTEST_TOKEN = 16  # characters: nobody guesses it at the request rate that the page allows
RULES = "reglas: «contains:TEXTO», «equals:TEXTO» o una tabla de condiciones"


class AccSettings(Section):
    """The Avigilon server."""

    url: Https = setting(
        "", "Dirección del servidor de Avigilon (ACC).", "https://servidor:puerto, sin ruta ni usuario"
    )
    username: str = setting("", "Usuario de ACC con permiso para la Web Endpoint API.", TEXT, from_file=True)
    password: SecretStr = setting(SecretStr(""), "Contraseña de ese usuario.", TEXT, from_file=True)
    user_nonce: SecretStr = setting(
        SecretStr(""), "El «user nonce» de la integración, dado por Avigilon.", TEXT, from_file=True
    )
    user_key: SecretStr = setting(
        SecretStr(""), "La «user key» de la integración, dada por Avigilon.", TEXT, from_file=True
    )
    integration_id: SecretStr = setting(
        SecretStr(""), "Identificador de la integración; vacío si Avigilon no dio ninguno.", TEXT, from_file=True
    )
    client_name: str = setting(
        "aforo", "Nombre con el que el programa se presenta al servidor.", "un texto no vacío", min_length=1
    )
    server_id: str = setting("", "Un solo servidor del sitio; vacío: todos, y se descubren solos.", TEXT)
    token_hash: Literal["timestamp+key", "nonce+timestamp+key"] = setting(
        "timestamp+key", "Qué se firma al iniciar sesión.", "timestamp+key o nonce+timestamp+key"
    )
    ca_file: OptionalFile = setting(
        None, "Certificado (PEM) de la autoridad que firmó el del servidor.", "la ruta de un archivo PEM"
    )
    fingerprint: Fingerprint = setting(
        "",
        "Huella SHA-256 del certificado del servidor, cuando es autofirmado.",
        "64 cifras hexadecimales, con o sin «:»",
    )
    verify: YesNo = setting(True, "Comprobar el certificado; apagarlo avisa en cada arranque.", "true o false")
    timeout: Number = setting(
        30.0, "Segundos que se espera cada respuesta.", "un número de segundos mayor que 0", gt=0, allow_inf_nan=False
    )
    concurrency: Whole = setting(
        8,
        "Consultas a la vez; hasta una cuarta parte más para repetir las que no contestan.",
        "un entero entre 1 y 64",
        ge=1,
        le=64,
    )

    load: Number = setting(
        20.0,
        "Parte del tiempo, en porcentaje, en que puede haber en curso una lectura en vivo.",
        "un número mayor que 0 y hasta 100",
        gt=0,
        le=100,
    )

    def secrets(self) -> list[str]:
        """Return the secret values, empty ones included."""
        fields = (self.password, self.user_nonce, self.user_key, self.integration_id)
        return [field.get_secret_value() for field in fields]


class DatabaseSettings(Section):
    """The database."""

    url: DatabaseUrl = setting(
        SecretStr("sqlite:///aforo.db"), "Base de datos, como URL de SQLAlchemy.",
        "una URL de SQLAlchemy, como sqlite:///aforo.db o mssql+mssqlpython://…", from_file=True,
    )  # fmt: skip
    odbc: SecretStr = setting(
        SecretStr(""), "En lugar de database.url: la cadena ODBC (DRIVER=…;SERVER=…;DATABASE=…;UID=…;PWD=…).",
        "una cadena ODBC", from_file=True,
    )  # fmt: skip

    @model_validator(mode="after")
    def _check_one_address(self) -> "DatabaseSettings":
        if self.odbc.get_secret_value() and "url" in self.model_fields_set:
            raise PydanticCustomError("aforo", "se admite database.url o database.odbc, no los dos")
        return self

    def address(self) -> str:
        """Return the SQLAlchemy URL, made from the ODBC string if one is set. It may contain a password."""
        odbc = self.odbc.get_secret_value()
        return f"mssql+pyodbc:///?odbc_connect={quote_plus(odbc)}" if odbc else self.url.get_secret_value()


class MonitorSettings(Section):
    """Poll cycles, time zone and input files."""

    interval: Number = setting(
        60.0,
        "Segundos entre dos vueltas, como mucho.",
        "un número de segundos, 0.05 o mayor",
        ge=0.05,
        allow_inf_nan=False,
    )
    live_interval: Number = setting(
        5.0,
        "Segundos entre dos lecturas en vivo, que entre vuelta y vuelta piden solo lo último, mientras hay pasos y el"
        " servidor contesta pronto; si no, menos a menudo. Tantos como entre dos vueltas, o más: ninguna.",
        "un número de segundos, 1 o mayor",
        ge=1,
        allow_inf_nan=False,
    )
    overlap: Number = setting(
        120.0,
        "Segundos que cada vuelta vuelve a mirar, por los eventos que llegan tarde.",
        SECONDS,
        ge=0,
        allow_inf_nan=False,
    )
    grace: Number = setting(
        60.0, "Segundos de espera tras hora_fin por los últimos eventos tardíos.", SECONDS, ge=0, allow_inf_nan=False
    )
    close_patience: Number = setting(
        900.0,
        "Segundos sin nada nuevo de una cámara tras los que el cierre la da por perdida.",
        SECONDS,
        ge=0,
        allow_inf_nan=False,
    )
    start_patience: Number = setting(
        30.0,
        "Segundos en que se repite el primer inicio de sesión si el servidor no responde.",
        SECONDS,
        ge=0,
        allow_inf_nan=False,
    )
    timezone: TimeZone = setting(
        ZoneInfo("America/Bogota"), "Zona horaria del estadio.", "una zona horaria IANA, como America/Bogota"
    )
    schedule_file: Path = setting(Path("eventos_programados.json"), "Los eventos programados.", "la ruta de un archivo")
    cameras_file: Path = setting(
        Path("ids_camaras_permitidas.json"), "Las cámaras permitidas.", "la ruta de un archivo"
    )
    heartbeat_url: SecretStr = setting(
        SecretStr(""), "Dirección a la que se llama tras cada vuelta buena: su silencio es una alarma; vacía: ninguna.",
        "una URL http o https", from_file=True,
    )  # fmt: skip


class OperatorSettings(Section):
    """An account that may correct the occupancy on the page."""

    name: str = setting(..., "Nombre de la cuenta.", "un texto no vacío", min_length=1, max_length=60)
    password_hash: PasswordHash = setting(..., "Huella de su contraseña.", "lo que escribe «aforo password»")


class WebSettings(Section):
    """The web page."""

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
    proxies: list[IpAddress] = setting(
        [],
        "Proxies inversos que hay delante de la página: con alguno nadie es local, y quién visita lo dice el proxy.",
        'una lista de direcciones IP, como ["127.0.0.1"]',
    )
    certificate_file: OptionalFile = setting(
        None, "Certificado (PEM) para servir la página por HTTPS.", "la ruta de un archivo PEM"
    )
    key_file: OptionalFile = setting(None, "Clave privada (PEM) de ese certificado.", "la ruta de un archivo PEM")
    first: str = setting(
        "Personas en el estadio",
        "Zona o suma que la página muestra primero y más grande; si no la hay, todas son iguales.",
        "el nombre de una zona o de una suma",
    )

    @model_validator(mode="after")
    def _check_web(self) -> "WebSettings":
        token = self.read_token.get_secret_value()
        if token and len(token) < SHORTEST_TOKEN:
            raise PydanticCustomError("aforo", "web.read_token es demasiado corto: se admiten 16 caracteres o más")
        names = [operator.name.strip().casefold() for operator in self.operators]
        if len(set(names)) < len(names):
            raise PydanticCustomError("aforo", "web.operators tiene dos cuentas con el mismo nombre")
        if (self.certificate_file is None) != (self.key_file is None):
            raise PydanticCustomError("aforo", "web.certificate_file y web.key_file van juntos: falta uno de los dos")
        return self


class PushSettings(Section):
    """Where the pushes of the Avigilon server are received."""

    url: PushUrl = setting(
        "",
        "Dirección, vista desde el servidor de cámaras, a la que este notifica cada paso; vacía: no notifica.",
        "http://esta-máquina:puerto/ruta o https://…, sin usuario ni «?», de 300 letras como mucho",
    )
    host: str = setting(
        "0.0.0.0",  # noqa: S104 -- the cameras' server is another machine
        "Dirección en que se reciben esas notificaciones; 0.0.0.0: en todas las de esta máquina.",
        "un nombre o una dirección IP",
        min_length=1,
    )
    port: Whole = setting(
        8090, "Puerto en que se reciben; con un proxy o NAT puede no ser el de push.url.",
        "un entero entre 1 y 65535", ge=1, le=65535,
    )  # fmt: skip
    certificate_file: OptionalFile = setting(
        None, "Certificado (PEM) para recibirlos por HTTPS.", "la ruta de un archivo PEM"
    )
    key_file: OptionalFile = setting(None, "Clave privada (PEM) de ese certificado.", "la ruta de un archivo PEM")

    @model_validator(mode="after")
    def _check_push(self) -> "PushSettings":
        if (self.certificate_file is None) != (self.key_file is None):
            raise PydanticCustomError("aforo", "push.certificate_file y push.key_file van juntos: falta uno de los dos")
        if self.certificate_file is not None and self.url.startswith("http:"):
            raise PydanticCustomError("aforo", "push.url empieza por http: y hay push.certificate_file: ponga https:")
        return self


class AlertsSettings(Section):
    """When alerts begin, and where they are sent."""

    webhook_url: SecretStr = setting(
        SecretStr(""), "Dirección a la que se envía cada aviso; vacía: a ninguna.", "una URL http o https",
        from_file=True,
    )  # fmt: skip
    webhook_format: Literal["json", "teams", "slack"] = setting(
        "json", "Forma del mensaje que se envía.", "json, teams o slack"
    )
    notify_urls: list[SecretStr] = setting(
        [], "Direcciones de Apprise (correo, Telegram y otros) a las que se envía cada aviso; vacía: a ninguna.",
        "una lista de URL de Apprise, como mailto://… o tgram://…", secret=True,
    )  # fmt: skip
    hysteresis: Number = setting(
        3.0, "Puntos de porcentaje que una zona ha de bajar de un nivel para que su aviso termine.",
        "un número entre 0 y 50", ge=0, le=50,
    )  # fmt: skip
    minimum: Number = setting(
        120.0,
        "Segundos entre dos avisos de lo mismo, como poco; el fin de cada uno se ve enseguida.",
        SECONDS,
        ge=0,
        allow_inf_nan=False,
    )
    silent_door: Number = setting(
        900.0, "Se avisa de una puerta callada, o que cuenta de más, por lo que cuentan las demás; 0: nunca, otro: sí.",
        SECONDS, ge=0, allow_inf_nan=False,
    )  # fmt: skip
    camera_gone: Number = setting(
        180.0, "Segundos sin contestar por los que se avisa de una cámara; 0: nunca.", SECONDS, ge=0,
        allow_inf_nan=False,
    )  # fmt: skip
    camera_rate: Number = setting(
        50.0, "Eventos por segundo de una cámara, en un minuto, por los que se avisa; se guardan todos; 0: nunca.",
        "un número, 0 o mayor", ge=0, allow_inf_nan=False,
    )  # fmt: skip
    stale: Number = setting(
        300.0, "Segundos de atraso por los que se avisa de que el aforo no es de ahora.",
        "un número de segundos, 1 o mayor", ge=1, allow_inf_nan=False,
    )  # fmt: skip
    database_down: Number = setting(
        60.0, "Segundos sin base de datos por los que se avisa; 0: nunca.", SECONDS, ge=0, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _check_webhook(self) -> "AlertsSettings":
        parts = urlsplit(self.webhook_url.get_secret_value())
        if any(parts) and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise PydanticCustomError("aforo", "alerts.webhook_url no sirve: se admite una URL http o https")
        return self


class ReportSettings(Section):
    """The event report."""

    folder: OptionalFile = setting(
        Path("informes"),
        "Carpeta de las actas, que se hacen al cierre; vacía: ninguna.",
        "la ruta de una carpeta, o vacía",
    )


class LogSettings(Section):
    """The log."""

    file: OptionalFile = setting(
        Path("Monitoreo nemesio camacho.log"),
        "Archivo de registro; vacío: solo la consola.",
        "la ruta de un archivo, o vacío",
    )
    level: LogLevel = setting("INFO", "Desde qué gravedad se registra.", "DEBUG, INFO, WARNING o ERROR")
    format: Literal["text", "json"] = setting("text", "Una línea de texto, o un objeto JSON por línea.", "text o json")
    max_bytes: Whole = setting(
        10_485_760, "Tamaño en que el archivo se renueva (10 MB).", "un entero, 1024 o mayor", ge=1024
    )
    backups: Whole = setting(5, "Archivos anteriores que se conservan.", "un entero entre 1 y 1000", ge=1, le=1000)


class EstimateSettings(Section):
    """Between what and what the people inside lie."""

    unreliable: Number = setting(
        0.35, "Anchura del intervalo de una zona, como parte de su aforo, desde la que es poco fiable.",
        "un número mayor que 0", gt=0, allow_inf_nan=False,
    )  # fmt: skip


class EventsSettings(Section):
    """Which camera events go to the history table."""

    stored: list[HistoryRule] = setting(
        ["contains:PUERTA", "contains:AFORO ENTRADA SENCIA", "equals:INGRESO PERSONAS ENTRADA MARATON"],
        "Qué eventos se guardan en eventos_Analisis, por su analyticEventName.", f"una lista de {RULES}",
    )  # fmt: skip


class ZoneSettings(Section):
    """A zone (zona): the rules of its entries and exits, and the table of its occupancy."""

    name: str = setting(..., "Nombre de la zona.", "un texto no vacío, distinto en cada zona", min_length=1)
    table: TableName = setting(
        ...,
        "Tabla que lleva su aforo; vacía: ninguna, y su aforo está solo en las tablas aforo_….",
        "un nombre de tabla, con o sin esquema, distinto en cada zona, o vacío",
    )
    entries: list[WrittenRule] = setting([], "Qué eventos son una entrada.", f"una lista de {RULES}")
    exits: list[WrittenRule] = setting([], "Qué eventos son una salida.", f"una lista de {RULES}")
    capacity: Whole = setting(0, "Cupo de la zona; 0: no se conoce.", "un entero, 0 o mayor", ge=0)
    initial: Whole = setting(0, "Aforo con el que empieza el evento.", "un entero, 0 o mayor", ge=0)
    within: str = setting(
        "", "Zona que la contiene: por una puerta de dentro se pasa de una a otra, y solo se mueve esta.",
        "el nombre de otra zona, o vacío",
    )  # fmt: skip
    empty_at: list[EmptyAt] = setting(
        [], "Cuándo se sabe que está vacía: una hora, o minutos desde el inicio o el fin del evento.",
        "una lista de textos como «06:00», «inicio», «fin» o «fin-15»",
    )  # fmt: skip
    warning: Number = setting(80.0, "Porcentaje del cupo desde el que la zona está casi llena.", PERCENT, gt=0, le=1000)
    full: Number = setting(100.0, "Porcentaje del cupo desde el que la zona está llena.", PERCENT, gt=0, le=1000)

    @model_validator(mode="after")
    def _check_levels(self) -> "ZoneSettings":
        if self.warning > self.full:
            raise PydanticCustomError("aforo", "zones: warning no puede ser mayor que full")
        return self


class TotalSettings(Section):
    """Zones that are added up."""

    name: str = setting(..., "Nombre de la suma.", "un texto no vacío, distinto del de toda zona y suma", min_length=1)
    zones: list[str] = setting(..., "Zonas que se suman.", "una lista de nombres de zonas", min_length=1)
    capacity: Whole = setting(0, "Cupo de la suma; 0: no se conoce.", "un entero, 0 o mayor", ge=0)
    warning: Number = setting(80.0, "Porcentaje del cupo desde el que está casi llena.", PERCENT, gt=0, le=1000)
    full: Number = setting(100.0, "Porcentaje del cupo desde el que está llena.", PERCENT, gt=0, le=1000)

    @model_validator(mode="after")
    def _check_levels(self) -> "TotalSettings":
        if self.warning > self.full:
            raise PydanticCustomError("aforo", "totals: warning no puede ser mayor que full")
        return self


_CAR_PARKS = [
    ZoneSettings(
        name="Parqueadero Norte", table="Aforo_parqueadero",
        entries=["contains:AFORO ENTRADA PARQUEADERO NORTE"], exits=["contains:AFORO SALIDA PARQUEADERO NORTE"],
    ),
    ZoneSettings(
        name="Campinsito", table="Aforo_parqueadero_campinsito",
        entries=["contains:ENTRADA VEHICULAR CAMPINSITO"], exits=["contains:SALIDA VEHICULAR CAMPINSITO"],
    ),
    ZoneSettings(
        name="Zona Sur", table="Aforo_parqueadero_SUR",
        entries=["contains:INGRESO PARQUEADERO SUR"], exits=["contains:SALIDA PARQUEADERO SUR"],
    ),
]  # fmt: skip
STADIUM_ZONES = [
    *_CAR_PARKS,
    ZoneSettings(
        name="Personas en el estadio", table="",
        entries=[{"activity": "OBJECT_COUNTING_ENTER", "stored": True}],
        exits=[{"activity": "OBJECT_COUNTING_EXIT", "stored": True}],
    ),
]  # fmt: skip
STADIUM_TOTALS = [TotalSettings(name="Vehículos", zones=[zone.name for zone in _CAR_PARKS])]


def zones_from(zones: Iterable[ZoneSettings]) -> tuple[Zone, ...]:
    """Return the zones as the counting rules take them."""
    return tuple(
        Zone(
            name=zone.name,
            table=zone.table,
            entries=tuple(map(Rule.of, zone.entries)),
            exits=tuple(map(Rule.of, zone.exits)),
            capacity=zone.capacity,
            initial=zone.initial,
            within=zone.within,
        )
        for zone in zones
    )


def totals_from(totals: Iterable[TotalSettings]) -> tuple[Total, ...]:
    """Return the totals as storage and event report take them."""
    return tuple(Total(total.name, tuple(total.zones), total.capacity) for total in totals)


def _zones_fault(zones: Sequence[ZoneSettings]) -> str:
    """Return in Spanish what does not fit between the zones; "" where all does."""
    tables = [HISTORY_TABLE, *(zone.table for zone in zones if zone.table)]
    for what, values in (("name", [zone.name for zone in zones]), ("table", tables)):
        if repeated := _repeated(values):
            return (
                f"zones: «{repeated}» está dos veces como {what}; se admite uno distinto en cada zona, y no"
                f" {HISTORY_TABLE}"
            )
    names = {zone.name for zone in zones}
    for zone in zones:
        if zone.within and zone.within not in names:
            return f"zones: «{zone.name}» está en «{zone.within}» (within), que no es ninguna zona"
    try:
        outer_zones(zones_from(zones))
    except ValueError as error:
        return f"zones: «{error}» está dentro de sí misma: revise los within"
    return ""


def _totals_fault(totals: Sequence[TotalSettings], zones: Sequence[ZoneSettings]) -> str:
    """Return in Spanish what does not fit between the totals and the zones; "" where all does."""
    outer = outer_zones(zones_from(zones))
    if repeated := _repeated([*outer, *(total.name for total in totals)]):
        return f"totals: «{repeated}» está dos veces como name; se admite uno distinto de toda zona y suma"
    for total in totals:
        for name in total.zones:
            if name not in outer:
                return f"totals: «{total.name}» suma «{name}», que no es ninguna zona"
            if total.zones.count(name) > 1:
                return f"totals: «{total.name}» suma dos veces «{name}»"
            if around := next((one for one in outer[name] if one in total.zones), ""):
                return f"totals: «{total.name}» suma «{name}» y «{around}», que la contiene: contaría dos veces"
    return ""


def _repeated(names: Sequence[str]) -> str:
    """Return the first of the names that is there before it, whatever its case; "" where each is there once."""
    folded = [name.strip().casefold() for name in names]
    return next((name for index, name in enumerate(names) if folded[index] in folded[:index]), "")


def _factory_totals(data: Mapping[str, object]) -> list[TotalSettings]:
    """Return the factory's totals of zones that there are; ``data``: the settings that were read before."""
    zones = data.get("zones")
    fits = isinstance(zones, list) and not _zones_fault(zones) and not _totals_fault(STADIUM_TOTALS, zones)
    return STADIUM_TOTALS if fits else []


class Settings(Section):
    """All settings, frozen. ``aforo.settings.load`` makes them; ``Settings()`` holds the defaults."""

    acc: AccSettings = AccSettings()
    database: DatabaseSettings = DatabaseSettings()
    monitor: MonitorSettings = MonitorSettings()
    log: LogSettings = LogSettings()
    web: WebSettings = WebSettings()
    push: PushSettings = PushSettings()
    alerts: AlertsSettings = AlertsSettings()
    report: ReportSettings = ReportSettings()
    estimate: EstimateSettings = EstimateSettings()
    events: EventsSettings = EventsSettings()
    zones: list[ZoneSettings] = setting(
        STADIUM_ZONES, "Las zonas.", "una lista de tablas [[zones]] con name, table, entries y exits"
    )
    totals: list[TotalSettings] = Field(
        default_factory=_factory_totals,
        description="Las sumas de zonas.",
        json_schema_extra={
            "allowed": "una lista de tablas [[totals]] con name y zones", "from_file": False, "secret": False,
        },
    )  # fmt: skip

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _doubts: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _check_zones(self) -> "Settings":
        if fault := _zones_fault(self.zones) or _totals_fault(self.totals, self.zones):
            raise PydanticCustomError("aforo", "{fault}", {"fault": fault})
        return self

    def set_origins(self, origins: Mapping[str, str]) -> None:
        """Keep in Spanish where each value comes from, by setting name."""
        self._origins.update(origins)

    def origin(self, name: str) -> str:
        """Return in Spanish where a value comes from: ``aforo.toml:7``, ``valor de fábrica``…"""
        return self._origins.get(name, "valor de fábrica")

    def set_doubts(self, doubts: Iterable[str]) -> None:
        """Keep the Spanish sentences about values that may not be what was meant."""
        self._doubts.extend(doubts)

    @property
    def doubts(self) -> Sequence[str]:
        """Spanish sentences about values that may not be what was meant; for log and console."""
        return tuple(self._doubts)

    def require_acc(self) -> None:
        """Raise BadSetting for the first missing setting that the login to ACC needs."""
        for name in ("url", "username", "password", "user_nonce", "user_key"):
            value = getattr(self.acc, name)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                raise BadSetting(
                    f'Falta el ajuste acc.{name}. Escríbalo en aforo.toml ([acc] {name} = "…"), en .env '
                    f"(AFORO_ACC__{name.upper()}=…) o en la variable de entorno AFORO_ACC__{name.upper()}.",
                    remedy="O use «aforo init», que pregunta y lo escribe.",
                )

    def secrets(self) -> list[str]:
        """Return every secret value that is set, for the log's redaction."""
        fields = [self.web.read_token, self.alerts.webhook_url, self.monitor.heartbeat_url]
        fields += self.alerts.notify_urls
        fields += [operator.password_hash for operator in self.web.operators]
        found = self.acc.secrets() + [field.get_secret_value() for field in fields]
        found += passwords_in(self.database.odbc.get_secret_value())
        found += passwords_in(self.database.url.get_secret_value())
        return [secret for secret in found if secret]
