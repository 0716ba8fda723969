"""The floor: the same requests as a catch-up, by the program's own client, decoded, nothing stored.

``python -m bench.floor`` in a working folder with the program's environment; prints events and requests.
"""

import asyncio
import os

from aforo.avigilon import AvigilonClient
from aforo.clock import SystemClock
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.models import Window
from aforo.settings import Settings, load


async def read(settings: Settings, window: Window) -> tuple[int, int]:
    """Read the window of every camera of every server; returns how many events came, and in how many requests."""
    cameras = sorted(CamerasFile(settings.monitor.cameras_file).cameras)
    async with AvigilonClient(settings.acc, SystemClock()) as acc:
        await acc.login()
        servers = await acc.servers()
        await acc.cameras()

        async def count(server_id: str, camera_id: str) -> int:
            return sum([len(page.events) async for page in acc.events(server_id, (camera_id,), window)])

        counts = await asyncio.gather(*(count(server.id, camera) for server in servers for camera in cameras))
        return sum(counts), acc.requests


def main() -> None:
    """Read the event that the schedule of the working folder holds."""
    settings = load(os.environ)
    schedule = ScheduleFile(settings.monitor.schedule_file, settings.monitor.timezone).schedule
    [event] = schedule.events
    print(*asyncio.run(read(settings, event.window)))


if __name__ == "__main__":
    main()
