"""Alerts, their notification channels, the incident journal and the heartbeat."""

from aforo.alerting.apprise_channel import verify_addresses
from aforo.alerting.heartbeat import sending_heartbeats
from aforo.alerting.incidents import recording_incidents
from aforo.alerting.notifier import notifying_alerts
from aforo.alerting.trial import try_addresses

__all__ = ["notifying_alerts", "recording_incidents", "sending_heartbeats", "try_addresses", "verify_addresses"]
