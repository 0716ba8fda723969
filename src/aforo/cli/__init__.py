"""The command line.

What takes time to import is imported by the command that needs it, so that ``--help`` answers at once.
"""

from aforo.cli.main import main

__all__ = ["main"]
