"""The control room's page, its live stream, the JSON for machines: it reads, and hands corrections to the store."""

from aforo.web.corrections import CorrectionService
from aforo.web.dependencies import WebContext
from aforo.web.serving import Page, check, serving

__all__ = ["CorrectionService", "Page", "WebContext", "check", "serving"]
