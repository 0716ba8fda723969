"""What decides whether a connection or a request is served, shared by acceptor, middleware and routes."""

from dataclasses import dataclass, field

from aforo.http_server.places import Places
from aforo.web.access_log import AccessLog
from aforo.web.rate_limits import RateLimits


@dataclass(frozen=True, slots=True)
class Admission:
    """Places of connections, rates, and the log of what was refused."""

    places: Places = field(default_factory=Places)
    limits: RateLimits = field(default_factory=RateLimits)
    log: AccessLog = field(default_factory=AccessLog)
