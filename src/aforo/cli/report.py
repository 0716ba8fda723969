"""``aforo report``: the acts of a date's events, made again from the database."""

import sys
from datetime import date
from pathlib import Path

from aforo.reporting import acts
from aforo.settings import Settings


def main(settings: Settings, day: date, folder: Path | None = None) -> int:
    """Make them and tell where they are. Raises BadCommand, BadSetting, StoreError."""
    for page in acts(settings, day, folder or settings.report.folder or Path("informes")):
        sys.stdout.write(f"{page}\n")
    return 0
