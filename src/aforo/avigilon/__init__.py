"""The client of Avigilon's Web Endpoint: sessions, requests, pagination, and JSON as typed values."""

from aforo.avigilon.client import AvigilonClient
from aforo.avigilon.discovery import cameras_that_count, home_servers, recent_sources, site_cameras
from aforo.avigilon.event_query import EventQuery, Lane
from aforo.avigilon.payloads import OTHER_TYPE, Camera, Server, Webhook
from aforo.avigilon.pushes import Push, PushKind, Sighting, decode_push, is_authentic
from aforo.avigilon.query_batching import BatchingClient, QueryBatching
from aforo.avigilon.time_watch import watch_time
from aforo.avigilon.tls import ServerCertificate, fingerprint, server_certificate
from aforo.avigilon.webhooks import WebhookApi

__all__ = [
    "OTHER_TYPE",
    "AvigilonClient",
    "BatchingClient",
    "Camera",
    "EventQuery",
    "Lane",
    "Push",
    "PushKind",
    "QueryBatching",
    "Server",
    "ServerCertificate",
    "Sighting",
    "Webhook",
    "WebhookApi",
    "cameras_that_count",
    "decode_push",
    "fingerprint",
    "home_servers",
    "is_authentic",
    "recent_sources",
    "server_certificate",
    "site_cameras",
    "watch_time",
]
