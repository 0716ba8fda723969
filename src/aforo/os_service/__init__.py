"""The job as a service of the machine (systemd, Windows): commands, readiness and watchdog, shutdown."""

from aforo.os_service.commands import ServiceOptions, main
from aforo.os_service.sd_notify import Notifier, notifying
from aforo.os_service.shutdown import ShutdownRequest, stop_on_signals, until_stopped

__all__ = [
    "Notifier",
    "ServiceOptions",
    "ShutdownRequest",
    "main",
    "notifying",
    "stop_on_signals",
    "until_stopped",
]
