"""The control room's page, its live stream, the JSON for machines: it reads, and hands corrections to the store."""

from aforo.web.corrections import Desk
from aforo.web.dependencies import Rooms
from aforo.web.serving import Page, check, serving

__all__ = ["Desk", "Page", "Rooms", "check", "serving"]
