"""The simulator as a process of its own: ``aforo simulate``."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from aforo.clock import SystemClock
from aforo.errors import BadCommand
from aforo.simulator.crowd import CrowdOptions
from aforo.simulator.faults import EVERY, Fault, Faults
from aforo.simulator.scenario import Scenario, ScenarioPlan
from aforo.simulator.server import Simulator
from aforo.simulator.server_profile import ServerProfile

_BEGAN_BEFORE = timedelta(hours=1)
_LASTS = timedelta(hours=3)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Options:
    """What to simulate.

    ``now``: the instant (aware UTC) at which the servers' clock starts, None for the machine's; ``speed``: how much
    faster than the machine's clock it runs; ``clock_offset``: seconds that it is ahead. ``faults``: see
    ``faults_from``; ``latency_ms``: per request. ``ca_file``: where to write the certificate while the simulator runs.
    """

    plan: ScenarioPlan
    host: str = "127.0.0.1"
    port: int = 0
    profile: ServerProfile = field(default_factory=ServerProfile)
    faults: str = "none"
    latency_ms: float = 0.0
    speed: float = 1.0
    clock_offset: float = 0.0
    now: datetime | None = None
    ca_file: Path | None = None


def run(options: Options) -> None:
    """Simulate until Ctrl-C or SIGTERM; the first line on standard output is the address of the simulator.

    Raises BadCommand for options that make no sense and for a port that is taken.
    """
    with contextlib.suppress(KeyboardInterrupt):  # where the loop takes no signal handlers, as on Windows
        asyncio.run(_serve_until_signal(options))


async def _serve_until_signal(options: Options) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await serve(options, _write_line, stopping)


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def serve(options: Options, write_line: Callable[[str], object], stopping: asyncio.Event) -> None:
    """Simulate until ``stopping`` is set.

    ``write_line`` receives one line of JSON as soon as the simulator listens: url, fingerprint, credentials, servers,
    cameras (the allow list), start, end and now. Raises BadCommand as ``run`` does.
    """
    scenario = await asyncio.to_thread(Scenario, options.plan)
    faults = faults_from(options, scenario.quiet)
    starts_at = options.now or (SystemClock().now() if options.speed != 1.0 else None)
    clock = SystemClock(options.speed, starts_at)
    site = Simulator(
        scenario, clock=clock, profile=options.profile, faults=faults, host=options.host, port=options.port
    )
    site.clock.shift(options.clock_offset)
    async with site:
        if options.ca_file is not None:
            await asyncio.to_thread(options.ca_file.write_text, site.ca_pem, encoding="ascii")
        try:
            write_line(_ready_line(site))
            await stopping.wait()
        finally:
            if options.ca_file is not None:
                await asyncio.to_thread(options.ca_file.unlink, missing_ok=True)


def faults_from(options: Options, broken: Sequence[str] = ()) -> Faults:
    """Return the faults that the options name: ``all``, ``none``, or ``name[=probability[:seconds]],…``.

    With ``all``, the ``broken`` cameras have a fault for ever. Raises BadCommand for an unknown name.
    """
    seed = options.plan.seed
    faults = Faults.all(seed, broken) if options.faults == "all" else Faults(seed)
    for part in options.faults.split(",") if options.faults not in {"all", "none"} else ():
        name, _, rest = part.partition("=")
        probability, _, seconds = rest.partition(":")
        try:
            usual = EVERY.get(name, Fault())
            chance, longest = float(probability or usual.probability), float(seconds or usual.seconds)
            faults.set(name, replace(usual, probability=chance, seconds=longest))
        except ValueError as error:
            raise BadCommand(
                f"Falla desconocida o mal escrita: {part!r}.",
                remedy=f"Use all, none o nombre[=probabilidad[:segundos]], con estos nombres: {', '.join(EVERY)}.",
            ) from error
    if options.latency_ms:
        faults.set("latency", Fault(seconds=options.latency_ms / 1000))
    return faults


def profile_from(text: str) -> ServerProfile:
    """Return the profile that differs from the usual one in ``name=value,…``. Raises BadCommand for unknown names."""
    usual = {name: value for name, value in asdict(ServerProfile()).items() if name != "client_versions"}
    return _varied(text, usual, ServerProfile, "Comportamiento")


def crowd_from(text: str) -> CrowdOptions | None:
    """Return the crowd of ``name=value,…``, None for no text. Raises BadCommand for unknown names."""
    return _varied(text, asdict(CrowdOptions()), CrowdOptions, "Público") if text else None


def _varied(text: str, usual: Mapping[str, object], shape: type[_T], what: str) -> _T:
    """Return the usual values with those of ``name=value,…`` in their place."""
    given = dict(part.partition("=")[::2] for part in text.split(",") if part)
    remedy = f"Use nombre=valor,… con estos nombres: {', '.join(usual)}."
    if unknown := given.keys() - usual.keys():
        raise BadCommand(f"{what} desconocido: {', '.join(sorted(unknown))}.", remedy=remedy)
    try:
        return msgspec.convert({**usual, **given}, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadCommand(f"{what} mal escrito: {text!r}.", remedy=remedy) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the simulator to a parser."""
    parser.add_argument("--host", default="127.0.0.1", help="dirección en la que escucha")
    parser.add_argument("--port", type=int, default=0, help="puerto; 0: uno libre")
    parser.add_argument("--events", type=int, default=5_000, help="pasos de personas y vehículos dentro del evento")
    parser.add_argument("--cameras", type=int, default=17, help="cámaras permitidas")
    parser.add_argument("--quiet-cameras", type=int, default=0, help="cámaras permitidas que nunca ven a nadie")
    parser.add_argument("--servers", type=int, default=1, choices=(1, 2), help="servidores del sitio")
    parser.add_argument("--burst", type=int, default=0, help="eventos adicionales en milisegundos vecinos")
    parser.add_argument("--crowd", default="", help="público con verdad propia: people=N,inside=N,missed=0.04,…")
    parser.add_argument("--seed", type=int, default=1, help="la misma semilla da siempre el mismo evento")
    parser.add_argument("--start", type=_instant, help="comienzo del evento, ISO 8601 con zona; por defecto hace 1 h")
    parser.add_argument("--end", type=_instant, help="fin del evento; por defecto 3 h después del comienzo")
    parser.add_argument("--now", type=_instant, help="hora a la que arranca el reloj del servidor; por defecto la real")
    parser.add_argument("--clock-offset", type=float, default=0.0, help="segundos que ese reloj va adelantado")
    parser.add_argument("--speed", type=float, default=1.0, help="cuántas veces más rápido corre ese reloj")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="demora de cada respuesta, en milisegundos")
    parser.add_argument("--faults", default="none", help="all, none o nombre[=probabilidad[:segundos]],…")
    parser.add_argument("--behaviour", default="", help="variante de la API: nombre=valor,…")
    parser.add_argument("--ca-file", type=Path, help="archivo en el que deja el certificado mientras funciona")


def options_from(arguments: argparse.Namespace) -> Options:
    """Return the parsed options. Raises BadCommand where they do not fit together."""
    start = arguments.start or SystemClock().now().replace(microsecond=0) - _BEGAN_BEFORE
    end = arguments.end or start + _LASTS
    if end <= start or arguments.events < 0 or arguments.cameras < 1 or arguments.speed <= 0:
        raise BadCommand(
            "Las opciones del simulador no son posibles.",
            remedy="El fin va después del comienzo; cámaras y velocidad son mayores que cero.",
        )
    plan = ScenarioPlan(
        start=start,
        end=end,
        seed=arguments.seed,
        cameras=arguments.cameras,
        events=arguments.events,
        servers=arguments.servers,
        quiet=arguments.quiet_cameras,
        burst=arguments.burst,
        crowd=crowd_from(arguments.crowd),
    )
    return Options(
        plan=plan,
        host=arguments.host,
        port=arguments.port,
        profile=profile_from(arguments.behaviour),
        faults=arguments.faults,
        latency_ms=arguments.latency_ms,
        speed=arguments.speed,
        clock_offset=arguments.clock_offset,
        now=arguments.now,
        ca_file=arguments.ca_file,
    )


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return instant.astimezone(UTC)


def _ready_line(site: Simulator) -> str:
    credentials = site.credentials
    line = {
        "url": site.url,
        "fingerprint": site.fingerprint,
        "credentials": {
            "username": credentials.username,
            "password": credentials.password,
            "user_nonce": credentials.user_nonce,
            "user_key": credentials.user_key,
            "integration_id": credentials.integration_id,
        },
        "servers": [server.id for server in site.scenario.servers],
        "cameras": site.scenario.allowed,
        "start": site.scenario.plan.start,
        "end": site.scenario.plan.end,
        "now": site.clock.now(),
    }
    return msgspec.json.encode(line).decode()
