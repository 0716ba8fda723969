"""How often, and after what pauses, one request is repeated. Handed in, so that a test can switch it off."""

import random
from dataclasses import dataclass

_LUCK = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts`` in all; pauses in seconds, drawn between 0 and a ceiling that grows from ``first`` by ``factor``.

    Full jitter: clients that lost the server at the same instant do not come back at the same instant.
    """

    attempts: int = 3
    first: float = 0.5
    factor: float = 2.0
    most: float = 8.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after that many failures (1 or more) of the same request."""
        return _LUCK.uniform(0.0, min(self.most, self.first * self.factor ** (failures - 1)))


NO_RETRY = RetryPolicy(attempts=1)
