"""Settings: one table (``models``), read from aforo.toml, .env, the environment and flags (``load``)."""

from aforo.settings.loading import load
from aforo.settings.models import (
    AccSettings,
    DatabaseSettings,
    EventsSettings,
    LogSettings,
    MonitorSettings,
    ReportSettings,
    Settings,
    ZoneSettings,
    zones_from,
)
from aforo.settings.page import AlertsSettings, OperatorSettings, WebSettings
from aforo.settings.sources import Given

__all__ = [
    "AccSettings",
    "AlertsSettings",
    "DatabaseSettings",
    "EventsSettings",
    "Given",
    "LogSettings",
    "MonitorSettings",
    "OperatorSettings",
    "ReportSettings",
    "Settings",
    "WebSettings",
    "ZoneSettings",
    "load",
    "zones_from",
]
