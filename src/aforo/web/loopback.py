"""Which addresses are of this machine alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether an address to listen on, or a name in a Host header, is of this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
