"""The live page, its event stream and the JSON API for other machines.

It reads the live state, and sends corrections to the database.
"""

from aforo.web.context import WebContext
from aforo.web.corrections import CorrectionService
from aforo.web.event_reader import EventReader
from aforo.web.server import Page, check, serving, verify
from aforo.web.session_archive import SessionArchive

__all__ = ["CorrectionService", "EventReader", "Page", "SessionArchive", "WebContext", "check", "serving", "verify"]
