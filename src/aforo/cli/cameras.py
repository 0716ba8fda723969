"""``aforo cameras``: what the server knows, and on request the allow list made of it."""

import asyncio
import sys

from aforo.acc import Acc, Camera
from aforo.cameras import write_cameras
from aforo.clock import SystemClock
from aforo.settings import Settings


def main(settings: Settings, *, write: bool) -> int:
    """List the server's cameras, and write the allow list if asked. Raises AccError, BadCameras."""
    cameras = sorted(asyncio.run(_ask(settings)), key=lambda camera: (camera.name.casefold(), camera.id))
    out = sys.stdout.write
    for camera in cameras:
        mark = "conectada" if camera.connected else f"sin conexión ({camera.state})"
        out(f"{camera.id}  {mark:12}  {camera.name}\n")
    out(f"{len(cameras)} cámaras.\n")
    if write:
        path = settings.monitor.cameras_file
        write_cameras(path, (camera.id for camera in cameras))
        out(f"{path}: escrito. Quite de la lista las que no deban contar.\n")
    return 0


async def _ask(settings: Settings) -> list[Camera]:
    async with Acc(settings.acc, SystemClock()) as acc:
        await acc.login()
        try:
            return await acc.cameras()
        finally:
            await acc.logout()
