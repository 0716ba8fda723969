"""``python -m aforo.reporting``: reads an order on stdin, writes the files and prints the page's path."""

import os
import sys
from pathlib import Path

import msgspec

from aforo.errors import AforoError
from aforo.reporting.renderer_process import Order
from aforo.reporting.writers import write

if hasattr(os, "nice"):
    os.nice(10)  # the counting goes first
order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
try:
    page = write(order.act, Path(order.folder), suffix=order.suffix)
except AforoError as exc:
    sys.stderr.buffer.write(str(exc).encode())
    sys.exit(exc.exit_code)
sys.stdout.buffer.write(str(page).encode())
