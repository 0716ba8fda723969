"""Figures and sentences that the log, the page, the status and the event report share. Pure."""

from collections.abc import Iterable

from aforo.models import CameraFault, Occupancy, Reservation, ReservationKind
from aforo.reference_clock import ClockStep, ClockStepKind

_MOST_DIGITS = 9  # of one number in a name: longer ones are compared piece by piece


def grouped(number: int) -> str:
    """Return ``12.345``, as it is written in Colombia."""
    return f"{number:,}".replace(",", ".")


def plural(number: int, word: str) -> str:
    """Return ``1 fallo``, ``2 fallos``."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return ``3 min 20 s``, ``2 h 5 min``: no seconds from one hour on."""
    hours, minutes, rest = _split(seconds)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes) + [f"{rest} s"] * (not hours)
    return " ".join(parts)


def duration_to_the_second(seconds: float) -> str:
    """Return ``3 min 20 s``, ``2 h 5 min 0 s``: always with seconds."""
    hours, minutes, rest = _split(seconds)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes) + [f"{rest} s"])


def duration_in_tenths(seconds: float) -> str:
    """Return ``4,2 s``, ``3 min 20 s``, ``2 h 0 min``: tenths below a minute, no seconds from one hour on."""
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".", ",")
    hours, minutes, rest = _split(seconds)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def clock_offset_text(seconds: float) -> str:
    """Return ``adelantado 1 min 40 s``, ``atrasado 2 min 30 s``: how a clock is off that is so many seconds ahead."""
    return f"{'adelantado' if seconds > 0 else 'atrasado'} {duration(abs(seconds))}"


def _apart(step: ClockStep) -> str:
    """Return how far a clock is away: seconds below an hour, then minutes, then days."""
    seconds = abs(step.seconds)
    if seconds >= 2 * 86_400:
        return plural(round(seconds / 86_400), "día")
    return duration(seconds) if seconds < 3600 else duration(60 * round(seconds / 60))


def clock_name(step: ClockStep) -> str:
    """Return which clock moved and by how much, as ``reloj de este equipo (+5 h)``."""
    whose = "del servidor de cámaras" if step.kind is ClockStepKind.SERVER else "de este equipo"
    return f"reloj {whose} ({'-' if step.seconds < 0 else '+'}{_apart(step)})"


def clock_step(step: ClockStep) -> str:
    """Return the sentence about a clock that is, or was, more than 30 s away."""
    much, forward = _apart(step), step.seconds > 0
    jumped = f"saltó {much} hacia {'delante' if forward else 'atrás'}"
    carried_on = "se sigue con la hora de antes hasta que la nueva se mantenga."
    match step.kind:
        case ClockStepKind.MACHINE:
            apart = f"va {'adelantado' if forward else 'atrasado'} {much} respecto al del servidor de cámaras"
            return f"El reloj de este equipo {apart}: se cuenta con la hora del servidor."
        case ClockStepKind.MACHINE_ALONE:
            return f"El reloj de este equipo {jumped}: {carried_on}"
        case ClockStepKind.SERVER:
            return f"El reloj del servidor de cámaras {jumped}: {carried_on}"
        case ClockStepKind.PAUSE:
            return f"Este equipo estuvo parado {much}: lo de ese tiempo se lee al volver."


def _split(seconds: float) -> tuple[int, int, int]:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return hours, minutes, rest


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return the key that sorts PUERTA 2 before PUERTA 10, whatever the case."""
    parts, digits = [], ""
    for character in name.upper() + " ":
        if character.isdigit() and character.isascii() and len(digits) < _MOST_DIGITS:
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((0, character))
    return parts


_RESERVED = {
    ReservationKind.DIFFERENCE: ("ACC y la base no coinciden", ""),
    ReservationKind.NO_EVENTS: ("ningún evento", ""),
    ReservationKind.UNREADABLE: ("{} evento ilegible", "{} eventos ilegibles"),
    ReservationKind.INCOMPLETE_CAMERA: ("{} cámara quizá incompleta", "{} cámaras quizá incompletas"),
    ReservationKind.UNKNOWN_CAMERA: (
        "{} cámara que ningún servidor conoce",
        "{} cámaras que ningún servidor conoce",
    ),
    ReservationKind.SILENT_CAMERA: ("{} cámara que no envió nada", "{} cámaras que no enviaron nada"),
    ReservationKind.DISCONNECTED_CAMERA: ("{} cámara desconectada", "{} cámaras desconectadas"),
    ReservationKind.BLIND_CAMERA: ("{} cámara que no vio", "{} cámaras que no vieron"),
    ReservationKind.ZONE_TABLE: ("{} tabla de zona sin su aforo", "{} tablas de zona sin su aforo"),
}


def reserved_in_short(reservations: Iterable[Reservation]) -> str:
    """Return ``12 eventos ilegibles; 3 cámaras que no enviaron nada``; "" where there are none."""
    numbers: dict[ReservationKind, int] = {}
    for one in reservations:
        numbers[one.kind] = numbers.get(one.kind, 0) + one.number
    parts = []
    for kind, number in numbers.items():
        single, several = _RESERVED[kind]
        parts.append((several if several and number != 1 else single).format(grouped(number)))
    return "; ".join(parts)


def occupancy_line(occupancy: Occupancy) -> str:
    """Return a zone's figures in words, without a full stop."""
    return (
        f"{occupancy.zone}: aforo {occupancy.count} (entradas {occupancy.entries}, salidas {occupancy.exits},"
        f" salidas con la zona en cero {occupancy.unmatched_exits})"
    )


def one_way_line(name: str, zone: str, *, entries: bool) -> str:
    """Return what it means that a door counts only the entries (or only the exits) of a zone."""
    if entries:
        return f"«{name}» solo cuenta entradas en {zone}: quien sale por ella sigue contado, y el aforo sale alto."
    return f"«{name}» solo cuenta salidas en {zone}: quien entra por ella no se cuenta, y el aforo sale bajo."


_FAULTS = {
    CameraFault.DISCONNECTED: "desconectada",
    CameraFault.NO_VIDEO: "sin video",
    CameraFault.TAMPERED: "tapada o movida",
    CameraFault.NOT_RECORDING: "sin grabar",
    CameraFault.RECONFIGURED: "con los ajustes cambiados",
}


def interval(low: int, high: int) -> str:
    """Return ``entre 9.180 y 9.640``."""
    return f"entre {grouped(low)} y {grouped(high)}" if low != high else grouped(low)


def problem_lines(
    *,
    pending: int | None,
    server_up: bool,
    silent_cameras: Iterable[str],
    faults: Iterable[tuple[str, CameraFault]] = (),
    stale: bool = False,
) -> list[str]:
    """Return what fails now, as Spanish sentences; empty when nothing does.

    ``pending``: events that wait to be stored while the database does not answer; None while it does.
    ``silent_cameras``: names of the cameras that do not answer, which is left out while their server does not either.
    ``faults``: names of the cameras that ACC reports as not well, and why.
    """
    lines = []
    if pending is not None:
        lines.append(f"La base de datos no responde; por guardar: {pending} eventos. Nada se pierde.")
    if not server_up:
        lines.append("El servidor de cámaras no responde: se recuperará todo lo que falte.")
    else:
        lines += [f"La cámara {name} no contesta; su tiempo queda pendiente." for name in silent_cameras]
    lines += [f"Según ACC, la cámara {name} está {_FAULTS[fault]}: lo suyo no se cuenta." for name, fault in faults]
    if stale:
        lines.append("El aforo no es de ahora.")
    return lines
