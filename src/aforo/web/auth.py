"""Hashes of operators' passwords: scrypt of the standard library, written as ``scrypt$n$r$p$salt$hash``."""

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

_N, _R, _P = 2**15, 8, 1  # about a tenth of a second and 32 MB for each guess
_MOST_MEMORY = 2**27  # bytes: room for twice the work of today's hashes
_LONGEST = 1024  # characters of a password: hashing is dear, and nobody types more
SHORTEST = 8  # characters of a new password


def hashed(password: str) -> str:
    """The hash to write into ``password_hash``; another one each time."""
    salt = os.urandom(16)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(_scrypt(password, salt, _N, _R, _P))}"


def matches(password: str, stored: str) -> bool:
    """Whether that is the password of the hash. It takes a tenth of a second: not on the event loop."""
    if len(password) > _LONGEST:
        return False
    _, n, r, p, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(password, _bytes(salt), int(n), int(r), int(p)), _bytes(digest))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=32)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# What a login with an unknown name is compared with, so that it takes as long as any other.
NOBODY = hashed(os.urandom(8).hex())
