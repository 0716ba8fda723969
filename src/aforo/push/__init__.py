"""Receives what the cameras' server pushes, and makes hints of it for the ingestion. Nothing is counted here."""

from aforo.push.server import verify
from aforo.push.service import Pushes
from aforo.push.trial import PATIENCE, first_push

__all__ = ["PATIENCE", "Pushes", "first_push", "verify"]
