"""Settings: defined in ``models``, read from aforo.toml, .env, the environment and flags by ``load``."""

from aforo.settings.loader import Given, environment_for_child, load, validated
from aforo.settings.models import (
    HISTORY_TABLE,
    STADIUM_TOTALS,
    STADIUM_ZONES,
    AccSettings,
    AlertsSettings,
    DatabaseSettings,
    EventsSettings,
    LogSettings,
    MonitorSettings,
    OperatorSettings,
    ReportSettings,
    Settings,
    TotalSettings,
    WebSettings,
    ZoneSettings,
    totals_from,
    zones_from,
)
from aforo.settings.reference import Row, rows

__all__ = [
    "HISTORY_TABLE",
    "STADIUM_TOTALS",
    "STADIUM_ZONES",
    "AccSettings",
    "AlertsSettings",
    "DatabaseSettings",
    "EventsSettings",
    "Given",
    "LogSettings",
    "MonitorSettings",
    "OperatorSettings",
    "ReportSettings",
    "Row",
    "Settings",
    "TotalSettings",
    "WebSettings",
    "ZoneSettings",
    "environment_for_child",
    "load",
    "rows",
    "totals_from",
    "validated",
    "zones_from",
]
