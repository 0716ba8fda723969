"""``aforo cameras``: the cameras of the site, and on request the allow list made of them."""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass

from aforo.avigilon import AvigilonClient, Camera, cameras_that_count, site_cameras
from aforo.cli.console import Output
from aforo.clock import Clock, SystemClock
from aforo.counting.rules import Rules
from aforo.errors import BadCameras
from aforo.inputs.camera_list import load_cameras, write_cameras
from aforo.models import Rule
from aforo.outside_text import visible
from aforo.redaction import Mask
from aforo.reference_clock import ReferenceClock
from aforo.settings import Settings, zones_from
from aforo.wording import plural

_WIDEST = 60  # characters of a cell
_DAYS = 3  # days of a camera's events that are read


@dataclass(frozen=True, slots=True)
class Row:
    """A camera, its server's name, and whether it is on the allow list."""

    camera: Camera
    server: str
    allowed: bool


def main(settings: Settings, *, write: bool = False, counting: bool = False, as_json: bool = False) -> int:
    """List the site's cameras, and write the allow list if requested. Raises AccError, BadCameras.

    ``counting``: only those that in the last days sent an event that a rule counts.
    """
    mask = Mask(settings.secrets())
    rows, unusable = asyncio.run(camera_rows(settings, ReferenceClock(SystemClock()), counting=counting, mask=mask))
    output = Output(mask)
    if as_json:
        output.document([_as_object(row) for row in rows])
    else:
        output.lines(as_lines(rows, counting=counting))
    if unusable:
        output.notes(f"De las listas del servidor, {plural(unusable, 'entrada')} sin usar: ilegibles o sin id.")
    if write:
        path = settings.monitor.cameras_file
        if not rows:
            raise BadCameras("No hay ninguna cámara que escribir.", f"{path} queda como estaba.")
        write_cameras(path, (row.camera.id for row in rows))
        output.notes(f"{path}: escrito, {len(rows)} cámaras. Quite las que no deban contar.")
    return 0


async def camera_rows(
    settings: Settings, clock: Clock, *, counting: bool, mask: Mask | None = None
) -> tuple[list[Row], int]:
    """Return the site's cameras by name, and how many entries of the server's lists cannot be used.

    ``counting``: only those with events that a rule counts. Raises AccError.
    """
    async with AvigilonClient(settings.acc, clock, mask=mask) as acc:
        await acc.login()
        servers = await acc.servers()
        cameras = await site_cameras(acc, servers, clock.now(), _DAYS)
        if counting:
            rules = Rules(map(Rule.of, settings.events.stored), zones_from(settings.zones))
            cameras = await cameras_that_count(acc, cameras, servers, rules=rules, until=clock.now(), days=_DAYS)
    names = {server.id: server.name or server.id for server in servers}
    allowed = await asyncio.to_thread(_allowed, settings)
    rows = [Row(camera, names.get(camera.server_id, camera.server_id), camera.id in allowed) for camera in cameras]
    unusable = sum(acc.unusable.values())
    return sorted(rows, key=lambda row: (row.camera.name.casefold(), row.camera.id)), unusable


def _allowed(settings: Settings) -> Set[str]:
    try:
        return load_cameras(settings.monitor.cameras_file)
    except BadCameras:  # this command may be about to make it
        return frozenset()


def as_lines(rows: Sequence[Row], *, counting: bool) -> list[str]:
    """Return the table of cameras, and a line with their number."""
    cells = [
        ("permitida" if row.allowed else "–", *map(_cell, (_state(row.camera), row.camera.name, row.server)))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row_cells, widths, strict=True)), row.camera.id])
        for row_cells, row in zip(cells, rows, strict=True)
    ]
    what = f" que cuentan, por lo que enviaron en {_DAYS} días" if counting else ""
    return [*lines, f"{len(rows)} cámaras{what}, {sum(row.allowed for row in rows)} permitidas."]


def _cell(text: str) -> str:
    """Return a text of a column, as wide as it will be shown: one without measure must not push all the others away."""
    shown = visible(text)
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


def _state(camera: Camera) -> str:
    if camera.connected is None:
        return f"estado desconocido{f' ({camera.state})' if camera.state else ''}"
    return "conectada" if camera.connected else f"sin conexión ({camera.state or '?'})"


def _as_object(row: Row) -> dict[str, object]:
    camera = row.camera
    return {
        "id": camera.id,
        "name": camera.name,
        "state": camera.state,
        "connected": camera.connected is True,
        "server": row.server,
        "allowed": row.allowed,
    }
