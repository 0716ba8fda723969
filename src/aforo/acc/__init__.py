"""The only code that speaks to Avigilon: sessions, searches, and JSON turned into typed events."""

from aforo.acc.client import Acc
from aforo.acc.payloads import Camera, Server
from aforo.acc.retry import NO_RETRY, RetryPolicy
from aforo.acc.trust import fingerprint

__all__ = ["NO_RETRY", "Acc", "Camera", "RetryPolicy", "Server", "fingerprint"]
