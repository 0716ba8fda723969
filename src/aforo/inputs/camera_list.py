"""The allow list ``ids_camaras_permitidas.json``: ``["CAM123", "CAM998"]``."""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from aforo.errors import BadCameras, os_reason
from aforo.inputs.watched_file import WatchedFile, read_json, write_whole

_log = logging.getLogger(__name__)

_SHAPE = 'Se admite una lista de identificadores: ["CAM123", "CAM998"]. «aforo cameras --write» la hace.'


def load_cameras(path: Path, *, log_repeated: bool = False) -> frozenset[str]:
    """Read the allow list; a repeated camera is kept once. Raises BadCameras."""
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
    repeated = [camera for camera, times in cameras.items() if times > 1]
    if repeated and log_repeated:
        _log.warning("%s: repetidas, se cuentan una vez: %s.", path, ", ".join(repeated))
    return frozenset(cameras)


def write_cameras(path: Path, cameras: Iterable[str]) -> None:
    """Replace the allow list atomically, in the given order; raises BadCameras if it cannot be written."""
    ids = list(dict.fromkeys(cameras))
    try:
        write_whole(path, json.dumps(ids, indent=2) + "\n")
    except OSError as exc:
        remedy = "Compruebe la carpeta y sus permisos."
        raise BadCameras(f"{path} no se puede escribir ({os_reason(exc)}).", remedy=remedy) from exc


class CamerasFile(WatchedFile[frozenset[str]]):
    """The watched allow list; the constructor raises BadCameras."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, partial(load_cameras, log_repeated=True))

    @property
    def cameras(self) -> frozenset[str]:
        """The valid version."""
        return self.value
