"""May several cameras be asked in one query? Only what the server answered decides, server by server."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from datetime import datetime

from aforo.errors import AccBadRequest, AccDenied, AccIncomplete, AccUnknownCamera, AccUnreachable
from aforo.models import Page, Window

_log = logging.getLogger("aforo.avigilon")
_MOST = 40  # cameras in a query
_LONGEST_URL = 4000  # characters: proxies and old servers cut longer ones
_LONGEST_ID = 80  # characters of a camera id, as far as is known
_REST_OF_URL = 320  # characters of the path, the server's id and the other parameters
_PARAMETER = len("&deviceIds=")

Identity = tuple[str, datetime]
Events = Callable[[str, Sequence[str], Window], AsyncIterator[Page]]


class BatchingProof:
    """What is known of each server: 1 camera in a query until proven, and for ever once it was found wrong."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._proven: dict[str, int] = {}
        self._never: set[str] = set()

    def most(self, server_id: str) -> int:
        """How many cameras a query may name."""
        return self._proven.get(server_id, 1)

    def forget(self, server_id: str) -> None:
        """One camera in a query, for ever."""
        self._never.add(server_id)
        self._proven.pop(server_id, None)

    async def prove(self, events: Events, server_id: str, answers: Mapping[str, Set[Identity]], window: Window) -> bool:
        """See ``Acc.prove_together``."""
        if server_id in self._never or sum(map(bool, answers.values())) < 2:
            return False
        try:
            joint = await _identities(events(server_id, list(answers), window))
        except AccUnreachable as error:
            _log.debug("Sin prueba de varias cámaras por consulta: %s", error.what)
            return False
        except (AccBadRequest, AccDenied, AccUnknownCamera, AccIncomplete) as error:
            _log.info("El servidor %s no admite varias cámaras por consulta: %s", server_id, error.what)
            self.forget(server_id)
            return False
        if any(answer - joint.get(camera, set()) for camera, answer in answers.items()):
            _log.info("El servidor %s no da todo con varias cámaras por consulta: se pregunta una a una.", server_id)
            self.forget(server_id)
            return False
        if server_id not in self._never:  # an audit may have spoken meanwhile
            self._proven[server_id] = _fitting(self._host, answers)
        return self.most(server_id) > 1


async def _identities(pages: AsyncIterator[Page]) -> dict[str, set[Identity]]:
    joint: dict[str, set[Identity]] = {}
    async for page in pages:
        for event in page.events:
            joint.setdefault(event.camera_id, set()).add((event.this_id, event.occurred_at))
    return joint


def _fitting(host: str, cameras: Mapping[str, object]) -> int:
    longest = max(_LONGEST_ID, *map(len, cameras))
    return max(1, min(_MOST, (_LONGEST_URL - _REST_OF_URL - len(host)) // (longest + _PARAMETER)))
