"""What differs between versions of the Web Endpoint, or is not known for sure."""

from dataclasses import dataclass
from enum import StrEnum


class Order(StrEnum):
    """The order of the events of an answer."""

    OLDEST = "oldest"
    NEWEST = "newest"
    SHUFFLED = "shuffled"


class Tokens(StrEnum):
    """When an answer has a token for the next page."""

    ALWAYS = "always"
    FULL_PAGES = "full_pages"
    NEVER = "never"


class DeviceIds(StrEnum):
    """How the server treats several ``deviceIds`` (all of them, for IGNORED)."""

    HONOURED = "honoured"
    FIRST_ONLY = "first_only"
    IGNORED = "ignored"
    REFUSED = "refused"


class Topics(StrEnum):
    """How the server treats several ``eventTopics``, and whether it knows those about cameras' health."""

    HONOURED = "honoured"
    FIRST_ONLY = "first_only"
    IGNORED = "ignored"  # it gives all events
    REFUSED = "refused"  # 400
    UNKNOWN = "unknown"  # it has no list of topics


class TokenHash(StrEnum):
    """The input of the login's SHA-256."""

    TIMESTAMP_KEY = "timestamp+key"
    NONCE_TIMESTAMP_KEY = "nonce+timestamp+key"


class Webhooks(StrEnum):
    """Whether the server pushes, and how it names the list of topics."""

    WHITELIST = "whitelist"
    INCLUDE = "include"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """One version of the Web Endpoint. Seconds are by the server's clock.

    ``away_cameras_known``: whether a server answers for the cameras of the site's other servers, with what it recorded
    itself, or with 404. ``says_hello``: whether a new webhook gets a HELLO.
    """

    to_inclusive: bool = False
    order: Order = Order.OLDEST
    tokens: Tokens = Tokens.ALWAYS
    device_ids: DeviceIds = DeviceIds.HONOURED
    topics: Topics = Topics.HONOURED
    this_id: bool = True
    token_hash: TokenHash = TokenHash.TIMESTAMP_KEY
    away_cameras_known: bool = True
    webhooks: Webhooks = Webhooks.WHITELIST
    says_hello: bool = True
    session_seconds: float = 3600.0
    page_token_seconds: float = 600.0
    clock_tolerance_seconds: float = 300.0
    client_versions: frozenset[str] = frozenset({"1.0"})
