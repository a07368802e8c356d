"""What this process may not do: reach anything but this machine."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_outside(event: str, args: tuple[Any, ...]) -> None:
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = args[0]
    elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"} and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host and not is_loopback(host):
        raise PermissionError(f"the emulated account reaches no other machine; refused: {host}")


def stay_on_this_machine() -> None:
    """Refuse, for the rest of this process, every look-up and connection that is not loopback."""
    sys.addaudithook(_refuse_outside)
