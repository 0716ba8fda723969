"""The addresses that requests come from: what shares a rate, and what is this machine."""

import ipaddress
from functools import lru_cache

_UNKNOWN = "desconocida"  # a socket without an address, or what is none in a proxy's header


@lru_cache(4_096)
def network_of(host: str | None) -> str:
    """Return what rates and places are counted by: an IPv4 address, the /64 prefix of an IPv6 one.

    One IPv6 host has all addresses of its prefix. An IPv4 address written as IPv6 (``::ffff:…``) counts as itself.
    """
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return _UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on, or a name in a Host header, belongs to this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
