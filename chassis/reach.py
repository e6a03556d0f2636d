"""What stays on this machine, and what goes over a network where others listen."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_private(url: str) -> str:
    """The address itself. Raises ValueError for plain http to another machine, and for what is no http address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address such as https://codes.city.example")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            "is plain http to another machine, where others can read and change it. Write https, and name the "
            "authority's certificates in TLS_CA_FILE if the system does not know them, or ask a proxy on this machine"
        )
    return url


def require_private_if_address(place: str) -> str:
    """As `require_private`, for what may be a file too."""
    return require_private(place) if place.startswith(("http://", "https://")) else place


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Believes the authorities that the system knows, and those of the file. Raises OSError for one that is no good."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context
