"""The only code that speaks to Avigilon: sessions, searches, and JSON turned into typed events."""

from aforo.avigilon.client import AvigilonClient
from aforo.avigilon.discovery import cameras_that_count, home_servers, recent_names
from aforo.avigilon.event_query import EventQuery
from aforo.avigilon.payloads import Camera, Server
from aforo.avigilon.query_batching import QueryBatching
from aforo.avigilon.retry import NO_RETRY, RetryPolicy
from aforo.avigilon.tls import fingerprint

__all__ = [
    "NO_RETRY",
    "AvigilonClient",
    "Camera",
    "EventQuery",
    "QueryBatching",
    "RetryPolicy",
    "Server",
    "cameras_that_count",
    "fingerprint",
    "home_servers",
    "recent_names",
]
