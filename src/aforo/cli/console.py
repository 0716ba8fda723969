"""What commands write to the console: whole lines, without secrets, and without a character that acts on a terminal."""

import sys
from collections.abc import Iterable
from typing import Any

from aforo.outside_text import json_text, visible
from aforo.redaction import Mask


class Output:
    """The console of a command; ``mask`` hides the secrets that a server may echo."""

    def __init__(self, mask: Mask | None = None) -> None:
        self._mask = mask or Mask()

    def lines(self, texts: Iterable[str]) -> None:
        """Write each text as one line."""
        sys.stdout.write("".join(f"{self.shown(text)}\n" for text in texts))

    def notes(self, *texts: str) -> None:
        """Write each text as one line of the standard error."""
        sys.stderr.write("".join(f"{self.shown(text)}\n" for text in texts))

    def document(self, document: Any) -> None:
        """Write a document as JSON, for programs."""
        sys.stdout.write(f"{json_text(self._mask.document(document), indent=2)}\n")

    def shown(self, text: str) -> str:
        """Return a text as it may be shown."""
        return visible(self._mask(text))
