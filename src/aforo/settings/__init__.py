"""Settings: one table (``models``), read from aforo.toml, .env, the environment and flags (``load``)."""

from aforo.settings.loading import load
from aforo.settings.models import (
    AccSettings,
    DatabaseSettings,
    EventsSettings,
    LogSettings,
    MonitorSettings,
    Settings,
    WebSettings,
    ZoneSettings,
)
from aforo.settings.sources import Given

__all__ = [
    "AccSettings",
    "DatabaseSettings",
    "EventsSettings",
    "Given",
    "LogSettings",
    "MonitorSettings",
    "Settings",
    "WebSettings",
    "ZoneSettings",
    "load",
]
