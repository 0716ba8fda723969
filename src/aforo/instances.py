"""What a running program is called in the database, and whether it still runs."""

import os
import socket
from uuid import uuid4

_PROCESS = ", proceso "  # between the machine's name and the process id


def new_instance() -> str:
    """Return a name for this process, or for a part of it: another one with each call."""
    return f"{socket.gethostname()}{_PROCESS}{os.getpid()}, {uuid4().hex[:8]}"


def has_died(instance: str) -> bool:
    """Return whether an instance is a process of this machine that no longer runs; False where it cannot be known."""
    host, _, rest = instance.partition(_PROCESS)
    number = rest.partition(",")[0]
    if host != socket.gethostname() or not number.isdigit() or os.name == "nt":  # on Windows os.kill ends the process
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's process: it runs
        return False
    return False
