"""How many camera events were excluded: each once, however often it is read. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set

from aforo.models import Exclusion

_MOST = 500_000  # identities kept, some 40 MB: beyond it an event that is read again is counted again


class ExclusionCount:
    """The excluded camera events of one event, by reason."""

    def __init__(self) -> None:
        self._by_reason: Counter[str] = Counter()
        self._identities: set[int] = set()
        self._cameras: set[str] = set()

    @property
    def by_reason(self) -> Mapping[str, int]:
        """How many there are, by reason."""
        return self._by_reason

    @property
    def cameras(self) -> Set[str]:
        """The cameras that they came from, as far as that is known."""
        return self._cameras

    def add(self, excluded: Iterable[Exclusion]) -> None:
        """Count those that were not counted before."""
        for camera_id, reason, identity in excluded:
            if identity in self._identities:
                continue
            if len(self._identities) < _MOST:
                self._identities.add(identity)
            self._by_reason[reason] += 1
            if camera_id:
                self._cameras.add(camera_id)
