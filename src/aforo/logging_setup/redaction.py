"""The redaction of secrets in log texts."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

_SHORTEST_SECRET = 4  # characters; shorter ones would mask half of every line, and no secret that matters is that short
_NAMED = re.compile(
    r"(?i)(?:\b|(?<=%3B)|(?<=%26))(x-avg-session|session|authorizationToken|authenticationToken|pwd|password|user_?nonce|user_?key)"
    r"(%3D|[\"']?\s*[=:]\s*[\"']?)(?!\*\*\*)(\{(?:[^}]|\}\})*\}|[^\s\"',;&}]+)"
)
_IN_URL = re.compile(r"(://[^\s/@:]*):[^\s/@]+@")


class Mask:
    """Replaces secrets in a text: the known values in every usual quoting, and whatever looks like a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _quotings(secret)}
        self._known = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) or r"(?!)")

    def __call__(self, text: str) -> str:
        """Return the text with each secret as ``***``."""
        return _IN_URL.sub(r"\1:***@", _NAMED.sub(r"\1\2***", self._known.sub("***", text)))


def _quotings(secret: str) -> tuple[str, ...]:
    return secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]
