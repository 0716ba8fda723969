"""``ids_camaras_permitidas.json`` → the allowed cameras: ``["CAM123", "CAM998"]``. Pure once read."""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from aforo.errors import BadCameras, os_reason
from aforo.inputs.watched_file import WatchedFile, read_json, write_whole

_log = logging.getLogger(__name__)

_SHAPE = 'Se admite una lista de identificadores: ["CAM123", "CAM998"]. «aforo cameras --write» la hace.'


def load_cameras(path: Path) -> frozenset[str]:
    """Read the allow list, each one trimmed; raises BadCameras. A camera that stands twice is told, and kept once."""
    document, _ = read_json(path, BadCameras, _SHAPE)
    if not isinstance(document, list):
        raise BadCameras(f"{path} no es una lista.", remedy=_SHAPE)
    for number, camera in enumerate(document, start=1):
        if not isinstance(camera, str) or not camera.strip():
            shown = json.dumps(camera, ensure_ascii=False)[:80]
            raise BadCameras(f"{path}, posición {number}: {shown} no es un identificador de cámara.", remedy=_SHAPE)
    if not document:
        raise BadCameras(f"{path}: la lista está vacía.", "No se contaría nada.", _SHAPE)
    cameras = Counter(camera.strip() for camera in document)
    twice = [camera for camera, times in cameras.items() if times > 1]
    if twice:
        _log.warning("%s: repetidas, se cuentan una vez: %s.", path, ", ".join(twice))
    return frozenset(cameras)


def write_cameras(path: Path, cameras: Iterable[str]) -> None:
    """Replace the allow list in one step, in the order given; raises BadCameras when that cannot be done."""
    ids = list(dict.fromkeys(cameras))
    try:
        write_whole(path, json.dumps(ids, indent=2) + "\n")
    except OSError as exc:
        remedy = "Compruebe la carpeta y sus permisos."
        raise BadCameras(f"{path} no se puede escribir ({os_reason(exc)}).", remedy=remedy) from exc


class CamerasFile(WatchedFile[frozenset[str]]):
    """The allow list as the file has it now; ``refresh()`` looks whether it changed. Made, it raises BadCameras."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, load_cameras)

    @property
    def cameras(self) -> frozenset[str]:
        """The version in force."""
        return self.value
