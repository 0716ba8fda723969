"""``aforo check``: settings, files, server, cameras, rules and database, tried out before an event."""

from aforo.cli.check.checkup import checkup, main
from aforo.cli.check.results import Line, State

__all__ = ["Line", "State", "checkup", "main"]
