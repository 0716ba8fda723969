"""Alerts, their notification channels, the incident journal and the heartbeat."""
