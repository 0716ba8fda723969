"""The JSON API: what the page and other machines read and send. Every instant is UTC."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from aforo.counting.door_activity import DoorCondition
from aforo.models import AlertKind, CameraFault, Outcome, PushState, ReservationKind, ZoneLevel

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
# An id that the program makes begins with «deshace:» or «~»: a client names one, and sends none.
CorrectionId = Annotated[str, StringConstraints(pattern=r"^(deshace:)*[0-9a-fA-F-]{36}$", max_length=100)]
ClientId = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")]

# What a field of a request admits, for the sentence that answers one that does not fit.
LIMITS = {
    "delta": "la cantidad (delta) ha de ser un entero entre −1.000.000 y 1.000.000, y no 0",
    "count": "el aforo (count) ha de ser un entero entre 0 y 1.000.000",
    "reason": "el motivo (reason) ha de tener entre 1 y 500 caracteres",
    "zone": "la zona (zone) ha de tener entre 1 y 500 caracteres",
    "id": "el identificador (id) ha de ser un UUID",
    "name": "el nombre (name) puede tener hasta 60 caracteres",
    "password": "la contraseña (password) ha de tener entre 1 y 1.024 caracteres",
    "limit": "la cantidad (limit) ha de ser un entero entre 1 y 1.000",
    "after": "el lugar (after) ha de ser el «next» de la página anterior",
}


class ApiModel(BaseModel):
    """A response of the API."""

    model_config = ConfigDict(frozen=True)


class EventState(ApiModel):
    """The event that is watched."""

    name: str = Field(description="Nombre del evento")
    day: str = Field(description="Fecha en el programa, AAAA-MM-DD")
    since: datetime = Field(description="hora_inicio")
    until: datetime = Field(description="hora_fin")


class BesideState(ApiModel):
    """An event that is not the one that is displayed."""

    name: str = Field(description="Nombre del evento")
    phase: str = Field(description="«en curso», «en cierre», o a qué llegó su cierre si tuvo reservas")


class IntervalState(ApiModel):
    """Between what and what the truth lies, 19 times in 20; the count may lie outside."""

    low: int = Field(description="Como poco")
    mode: int = Field(description="Lo más probable")
    high: int = Field(description="Como mucho")
    reliable: bool = Field(description="El intervalo no es más ancho de lo que admite el ajuste")
    why: str = Field(description="De qué sale su anchura y qué lo estrecharía")


class BandSeries(ApiModel):
    """The interval over the event, by all that is known now: minutes since the epoch in seconds, and both bounds."""

    minutes: list[int]
    low: list[int]
    mode: list[int]
    high: list[int]


class CountState(ApiModel):
    """What zones and totals have alike, now."""

    name: str
    count: int = Field(description="Aforo; con `provisional`, incluye lo leído y aún no guardado")
    stored: int = Field(description="Aforo guardado en la base de datos")
    provisional: bool = Field(description="El aforo incluye lo que aún no está guardado")
    entries: int
    exits: int
    swallowed: int = Field(description="Salidas que encontraron la zona en cero: mide cuánto fallan las cámaras")
    capacity: int | None = Field(description="Cupo; nulo si no se conoce")
    percent: float | None = Field(description="Aforo como porcentaje del cupo")
    warning: float = Field(description="Porcentaje desde el que está casi llena")
    full: float = Field(description="Porcentaje desde el que está llena")
    level: ZoneLevel
    trend: int = Field(description="Cambio del aforo en los últimos 15 minutos, sin las correcciones")
    corrected: int = Field(description="Lo que suman las correcciones de los operadores")
    interval: IntervalState | None = Field(description="Entre cuánto y cuánto está; nulo mientras no se ha estimado")


class ZoneState(CountState):
    """A zone, now."""

    within: str = Field(description="La zona en que está; vacía si en ninguna")


class TotalState(CountState):
    """Zones that are added up, now: each figure is the sum of theirs."""

    zones: list[str] = Field(description="Las zonas que suma")


class DoorState(ApiModel):
    """A name that is counted in the history."""

    name: str
    zone: str = Field(description="Zona que mueve; vacía si ninguna")
    entries: int
    exits: int
    total: int
    last_5: int = Field(description="Pasos en los últimos 5 minutos")
    last_15: int = Field(description="Pasos en los últimos 15 minutos")
    silent: bool = Field(description="No cuenta, aunque las demás sí")
    activity: DoorCondition = Field(
        description="Lo que muestran sus pasos: cuenta, está callada, cuenta de más, o pasan tan pocos que no se puede"
        " saber si calla"
    )
    expected: float = Field(description="Pasos por minuto que se esperan ahora")


class OneWayDoorState(ApiModel):
    """A door that counts one direction only: the count of its zone drifts."""

    zone: str
    name: str
    camera: str = Field(description="El id de la cámara")
    camera_name: str
    counts: Literal["entries", "exits"] = Field(description="Lo único que cuenta")
    number: int = Field(description="Cuántas lleva contadas")
    text: str = Field(description="Qué significa, en una frase")


class FaultState(ApiModel):
    """What ACC reported of a camera in this event."""

    kind: CameraFault
    since: datetime = Field(description="Desde cuándo")
    until: datetime | None = Field(description="Hasta cuándo; nulo mientras dura")


class CameraState(ApiModel):
    """A camera of the allow list."""

    id: str
    name: str
    answers: bool
    unknown: bool = Field(description="Ningún servidor la conoce")
    since: datetime | None = Field(description="Desde cuándo no contesta")
    known_until: datetime = Field(description="Hasta cuándo se conoce lo suyo")
    behind: float = Field(description="Segundos que faltan por recuperar")
    clock_offset: float | None = Field(
        description="Segundos que va adelantado el reloj de la cámara (negativo: atrasado); nulo si no consta"
    )
    faults: list[FaultState] = Field(
        description="Fallas de la cámara según ACC en este evento, en orden: mientras duran, lo suyo no se cuenta"
    )
    late: int = Field(description="Eventos de la cámara que llegaron tarde, en este evento")


class LinkState(ApiModel):
    """Something that the count depends on."""

    up: bool
    since: datetime | None = Field(description="Desde cuándo no responde")


class LatenessState(ApiModel):
    """How long after their instant the last new passages were stored, in seconds."""

    median: float
    p95: float
    longest: float
    passages: int


class DeliveryState(ApiModel):
    """How long after their instant the event's passages could be read at ACC, in seconds; punctual ones count as 0."""

    passages: int = Field(description="Pasos medidos en este evento, sin los de cámaras con el reloj desajustado")
    late: int = Field(description="De esos, los que llegaron tarde")
    median: float
    p95: float
    worst: float = Field(description="El que más tardó, como mucho")


class PushesState(ApiModel):
    """Whether the cameras' server announces each passage."""

    state: PushState
    since: datetime
    reason: str = Field(description="Por qué no llegan; vacío si llegan")


class Trust(ApiModel):
    """How far the number can be trusted."""

    as_of: datetime | None = Field(description="Hasta qué instante se conoce el aforo")
    age: float | None = Field(description="Segundos de atraso del aforo")
    stale: bool = Field(description="El aforo no es de ahora")
    catching_up: bool = Field(description="Recién abierto el evento, se lee lo que pasó antes")
    stored_at: datetime | None = Field(description="Última vez que se guardó algo")
    database: LinkState
    acc: LinkState
    cameras: list[CameraState]
    lateness: LatenessState | None
    delivery: DeliveryState | None = Field(description="Retraso con que ACC entrega; nulo si aún no se ha medido")
    refused: dict[str, int] = Field(description="Eventos de cámara rechazados, cada uno una vez, por motivo")
    stored: int = Field(description="Eventos guardados desde el arranque")
    repeated: int = Field(description="Lecturas repetidas, no contadas de nuevo")
    pending: int = Field(description="Eventos leídos y aún no guardados")
    push: PushesState | None = Field(description="Notificaciones del servidor de cámaras; nulo si no se usan")


class AlertState(ApiModel):
    """Something to act upon."""

    id: str
    kind: AlertKind
    subject: str
    text: str
    began: datetime
    ended: datetime | None


class CorrectionState(ApiModel):
    """An operator's correction."""

    id: str
    zone: str
    delta: int
    reason: str
    author: str
    at: datetime
    undoes: str = Field(description="La corrección que deshace; vacío si ninguna")
    undone: bool = Field(description="Otra corrección la deshace")


class ReservationState(ApiModel):
    """Why an event that was compared may yet lack something."""

    kind: ReservationKind
    subject: str = Field(description="La cámara o la zona; vacío si no es de una sola")
    number: int = Field(description="De cuántos eventos trata, si trata de eventos")
    text: str = Field(description="Qué pasó y qué hacer")


class ReconciliationState(ApiModel):
    """What the comparison at the close came to."""

    outcome: Outcome
    reservations: list[ReservationState]


class State(ApiModel):
    """Everything that the page shows, but for the curves."""

    now: datetime = Field(description="Reloj del servidor")
    timezone: str
    phase: Literal["en espera", "en curso", "en cierre", "terminado"]
    close_waits_until: datetime | None = Field(description="Hasta cuándo espera el cierre por eventos que llegan tarde")
    event: EventState | None
    next: EventState | None = Field(description="El próximo evento del programa")
    beside: list[BesideState] = Field(description="Eventos anteriores que aún reciben lo suyo o están en cierre")
    evening: int = Field(description="Cambia con cada evento: las series empiezan de nuevo")
    series: int = Field(description="Versión de las series")
    first: str = Field(description="La zona o suma que la página muestra primero y más grande")
    zones: list[ZoneState]
    totals: list[TotalState] = Field(description="Las sumas de zonas")
    doors: list[DoorState]
    one_way: list[OneWayDoorState] = Field(description="Puertas que cuentan en un solo sentido")
    trust: Trust
    reconciliation: ReconciliationState | None = Field(description="Nulo hasta el cierre")
    alerts: list[AlertState]
    corrections: list[CorrectionState]


class ZoneCurve(ApiModel):
    """A zone's minutes. A minute turns the count it meets, `x`, into `max(floor, x + net)`."""

    initial: int
    minutes: list[int] = Field(description="Inicio de cada minuto con movimiento, en segundos desde 1970")
    entries: list[int]
    exits: list[int]
    net: list[int]
    floor: list[int]
    count: list[int] = Field(description="Aforo al final de cada minuto")


class TotalCurve(ApiModel):
    """A total's minutes: the sum of its zones'. Of what changes, only the zones' minutes are sent."""

    minutes: list[int] = Field(description="Inicio de cada minuto con movimiento, en segundos desde 1970")
    entries: list[int]
    exits: list[int]
    count: list[int] = Field(description="Aforo al final de cada minuto")


class DoorCurve(ApiModel):
    """A door's minutes."""

    minutes: list[int]
    entries: list[int]
    exits: list[int]
    total: list[int]


class Series(ApiModel):
    """Every zone and every door by the minute."""

    # The description that the API has published since 1.0.
    model_config = ConfigDict(json_schema_extra={"description": "The event by the minute."})

    evening: int
    series: int
    zones: dict[str, ZoneCurve]
    totals: dict[str, TotalCurve]
    bands: dict[str, BandSeries] = Field(
        description="Entre cuánto y cuánto estaba cada zona y suma, por cuartos de hora; los cambios no lo traen"
    )
    doors: dict[str, DoorCurve]


class EventOut(ApiModel):
    """One stored event of the cameras."""

    server_id: str
    this_id: str
    occurred_at: datetime
    camera_id: str
    name: str
    area: str
    activity: str


class EventsPage(ApiModel):
    """A page of stored events, in time order."""

    events: list[EventOut]
    next: str | None = Field(description="Para pedir la página siguiente: `after`; nulo en la última")


class CorrectionOrder(BaseModel):
    """What an operator asks for: either a difference, or the count that there should be."""

    model_config = ConfigDict(extra="forbid")

    id: ClientId = Field(description="Un UUID del cliente: el mismo se aplica una sola vez")
    zone: Text
    delta: int | None = Field(default=None, ge=-1_000_000, le=1_000_000)
    count: int | None = Field(default=None, ge=0, le=1_000_000, description="El aforo que debe quedar")
    counted: bool = Field(default=False, description="Con `count`: se ha contado a mano, y el intervalo parte de ahí")
    error: int | None = Field(
        default=None, ge=0, le=1_000_000, description="Con `counted`: cuánto puede fallar ese conteo; nulo: un 3 %"
    )
    reason: Text

    @field_validator("delta")
    @classmethod
    def _check_delta(cls, delta: int | None) -> int | None:
        if delta == 0:
            raise ValueError(LIMITS["delta"])
        return delta


class UndoOrder(BaseModel):
    """Take a correction back."""

    model_config = ConfigDict(extra="forbid")

    reason: Text


class LoginOrder(BaseModel):
    """An operator's name and password, or the read token alone."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(default="", max_length=60)
    password: str = Field(min_length=1, max_length=1024)


class SessionState(ApiModel):
    """Who asks."""

    name: str = Field(description="Cuenta; vacía para quien solo mira")
    may_correct: bool
    accounts: bool = Field(description="Hay operadores con los que iniciar sesión")
    logged_in: bool
    csrf: str = Field(description="Va en la cabecera X-CSRF-Token de cada petición que cambia algo")


class Problem(ApiModel):
    """Why not, in Spanish."""

    error: str
