"""The live page, its event stream and the JSON API for other machines.

It reads the live state, and sends corrections to the database.
"""

from aforo.web.context import WebContext
from aforo.web.corrections import CorrectionService
from aforo.web.event_reader import EventReader
from aforo.web.server import Page, check, serving, verify

__all__ = ["CorrectionService", "EventReader", "Page", "WebContext", "check", "serving", "verify"]
