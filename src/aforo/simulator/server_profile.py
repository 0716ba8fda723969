"""What differs between versions of the Web Endpoint, or is not known for sure: the simulator can show each way."""

from dataclasses import dataclass
from enum import StrEnum


class Order(StrEnum):
    """In which order the events of an answer come."""

    OLDEST = "oldest"
    NEWEST = "newest"
    SHUFFLED = "shuffled"


class Tokens(StrEnum):
    """When an answer carries a token for the next page."""

    ALWAYS = "always"
    FULL_PAGES = "full_pages"
    NEVER = "never"


class DeviceIds(StrEnum):
    """What becomes of several ``deviceIds`` (of every ``deviceIds``, where they are ignored)."""

    HONOURED = "honoured"
    FIRST_ONLY = "first_only"
    IGNORED = "ignored"
    REFUSED = "refused"


class TokenHash(StrEnum):
    """What the login's SHA-256 is taken of."""

    TIMESTAMP_KEY = "timestamp+key"
    NONCE_TIMESTAMP_KEY = "nonce+timestamp+key"


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """One version of the Web Endpoint. Seconds are by the server's clock.

    ``away_cameras_known``: whether a server answers for the cameras of the site's other servers (with what it recorded
    itself) or with 404.
    """

    to_inclusive: bool = False
    order: Order = Order.OLDEST
    tokens: Tokens = Tokens.ALWAYS
    device_ids: DeviceIds = DeviceIds.HONOURED
    this_id: bool = True
    token_hash: TokenHash = TokenHash.TIMESTAMP_KEY
    away_cameras_known: bool = True
    session_seconds: float = 3600.0
    page_token_seconds: float = 600.0
    clock_tolerance_seconds: float = 300.0
    client_versions: frozenset[str] = frozenset({"1.0"})
