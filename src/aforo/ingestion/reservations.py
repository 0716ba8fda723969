"""Why an event that was compared may yet lack something: each reason with what to do. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from aforo.avigilon import OTHER_TYPE
from aforo.ingestion.cycle_stats import reasons
from aforo.models import CameraFault, ExclusionReason, Reservation, ReservationKind
from aforo.wording import grouped, plural

_READABLE = frozenset({*ExclusionReason, OTHER_TYPE})  # reasons that have nothing to do with a damaged event


@dataclass(frozen=True, slots=True)
class ComparedEvent:
    """What the comparison at the close knows.

    ``acc`` and ``stored``: valid camera events by camera at ACC and in the database; ``history``: those of the
    history at ACC, and the rows of eventos_Analisis. ``rejected``: ACC's excluded camera events, by reason.
    ``active``: the cameras that sent anything at all. ``incomplete``: those of which ACC could not show that it gave
    everything. ``unanswered``: those that did not answer at the close. ``listed``: the cameras that a server lists;
    None where no list could be had, and ``unknown`` those that every server rejects. ``faults``: which cameras
    were blind and why, each with from when to when in words. ``zones``: those whose table rejects their row. Where the
    database was not ``compared``, ``stored`` and the rows mean nothing.
    """

    day: date
    cameras: Collection[str]
    acc: Mapping[str, int]
    stored: Mapping[str, int]
    history: tuple[int, int]
    rejected: Mapping[str, int]
    active: Collection[str]
    incomplete: Collection[str] = ()
    unanswered: Collection[str] = ()
    listed: Collection[str] | None = None
    unknown: Collection[str] = ()
    faults: Mapping[tuple[str, CameraFault], str] = field(default_factory=dict)
    zones: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    compared: bool = True

    def label(self, camera_id: str) -> str:
        """Return how messages name a camera: its name at ACC, where that is known, and always its id."""
        name = self.names.get(camera_id)
        return f"«{name}» ({camera_id})" if name else camera_id


def reservations(event: ComparedEvent) -> list[Reservation]:
    """Return all of them; none where everything is right."""
    return [*_of_the_event(event), *_of_cameras(event), *_of_zones(event)]


def _of_the_event(event: ComparedEvent) -> Iterator[Reservation]:
    acc, stored = sum(event.acc.values()), sum(event.stored.values())
    if event.compared and (any(_differences(event)) or event.history[0] != event.history[1]):
        text = (
            f"ACC y la base de datos no coinciden: ACC tiene {grouped(acc)} eventos válidos y la base"
            f" {grouped(stored)}; del historial, ACC {grouped(event.history[0])} y eventos_Analisis"
            f" {grouped(event.history[1])}. Repita con «aforo backfill {event.day}» y mire en el acta qué cámaras"
            " difieren."
        )
        yield Reservation(ReservationKind.DIFFERENCE, text, number=sum(map(abs, _differences(event))))
    unreadable = {reason: count for reason, count in event.rejected.items() if reason not in _READABLE}
    if not acc and not event.unanswered:
        others = sum(event.rejected.values()) - sum(unreadable.values())
        text = (
            f"Ninguno de los {plural(others, 'evento')} que ACC tiene cuenta ({reasons(event.rejected)}): revise las"
            " reglas de aforo.toml y los nombres en ACC."
            if others
            else "ACC no tiene ningún evento de estas cámaras en todo el horario: compruebe en ACC que la analítica"
            " está activa, y que la fecha y las horas del programa son las del evento."
        )
        yield Reservation(ReservationKind.NO_EVENTS, text, number=0)
    if unreadable:
        number = sum(unreadable.values())
        text = (
            f"{plural(number, 'evento')} de ACC no se {'puede' if number == 1 else 'pueden'} leer"
            f" ({reasons(unreadable)}) y no {'está contado' if number == 1 else 'están contados'}: avise al"
            " administrador de ACC y cuente a mano las puertas que falten."
        )
        yield Reservation(ReservationKind.UNREADABLE, text, number=number)


def _differences(event: ComparedEvent) -> list[int]:
    return [event.acc.get(one, 0) - event.stored.get(one, 0) for one in event.acc.keys() | event.stored.keys()]


def _of_cameras(event: ComparedEvent) -> Iterator[Reservation]:
    for camera in sorted(event.incomplete):
        text = (
            f"La cámara {event.label(camera)} tiene en un milisegundo más eventos de los que ACC da de una vez, y"
            " pueden faltar: avise al administrador de ACC."
        )
        yield Reservation(ReservationKind.INCOMPLETE_CAMERA, text, camera)
    silent = [one for one in sorted(event.cameras) if one not in event.active and one not in event.unanswered]
    for camera in silent:
        unknown = camera in event.unknown if event.listed is None else camera not in event.listed
        if unknown:
            text = (
                f"Ningún servidor conoce la cámara {event.label(camera)}, que está permitida: corrija"
                " ids_camaras_permitidas.json con «aforo cameras»."
            )
            yield Reservation(ReservationKind.UNKNOWN_CAMERA, text, camera)
        elif event.active:  # where no camera sent anything, that is one reservation
            text = (
                f"La cámara {event.label(camera)} no envió nada en todo el evento: si debía contar, revise en ACC que"
                " está en marcha y su analítica, activa; si no, quítela de ids_camaras_permitidas.json."
            )
            yield Reservation(ReservationKind.SILENT_CAMERA, text, camera)
    for (camera, fault), when in sorted(event.faults.items()):
        if camera in event.cameras:
            kind, what = _FAULTS[fault]
            text = (
                f"{what.format(event.label(camera))}, {when}: lo que pasó entonces ante ella no está contado. Revise la"
                " cámara y su red."
            )
            yield Reservation(kind, text, camera)


_FAULTS = {
    CameraFault.DISCONNECTED: (ReservationKind.DISCONNECTED_CAMERA, "ACC dio por desconectada la cámara {}"),
    CameraFault.NO_VIDEO: (ReservationKind.BLIND_CAMERA, "ACC no recibió video de la cámara {}"),
    CameraFault.TAMPERED: (ReservationKind.BLIND_CAMERA, "ACC dio por tapada o movida la cámara {}"),
    CameraFault.NOT_RECORDING: (ReservationKind.BLIND_CAMERA, "ACC dejó de grabar la cámara {}"),
}


def _of_zones(event: ComparedEvent) -> Iterator[Reservation]:
    for zone in event.zones:
        text = (
            f"La tabla de la zona {zone} no admite su fila, y su aforo está solo en aforo_minutes: lo que Power BI"
            " lee de ella no es lo contado. El registro dice por qué."
        )
        yield Reservation(ReservationKind.ZONE_TABLE, text, zone)
