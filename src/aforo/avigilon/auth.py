"""The authorization token of a login: pure, so that it can be checked against the guide's own example."""

import hashlib
from datetime import datetime
from typing import Literal

TokenHash = Literal["timestamp+key", "nonce+timestamp+key"]


def authorization_token(
    *, user_nonce: str, user_key: str, integration_id: str, token_hash: TokenHash, now: datetime
) -> str:
    """``nonce:timestamp:sha256[:integration]``. ``now`` is aware; the timestamp is its Unix second, as text.

    What is hashed is ``timestamp + key`` (the guide and every working client) or ``nonce + timestamp + key``.
    """
    timestamp = str(int(now.timestamp()))
    prefix = user_nonce if token_hash == "nonce+timestamp+key" else ""  # noqa: S105 -- the name of a way
    digest = hashlib.sha256(f"{prefix}{timestamp}{user_key}".encode()).hexdigest()
    parts = [user_nonce, timestamp, digest]
    if integration_id:
        parts.append(integration_id)
    return ":".join(parts)
