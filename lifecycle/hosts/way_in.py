"""A way from this machine to a port of a host: straight where a client's network lets us, else through SSH."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from lifecycle.hosts.inventory import Host
from lifecycle.hosts.ssh import Login, connect
from lifecycle.tunnel.forwarding import RENEW_AFTER_S, Forwarding, listen
from planner.errors import DeployError
from planner.progress import Silent

STRAIGHT_TIMEOUT_S = 3.0
READY_TIMEOUT_S = 60.0
LOOPBACK = "127.0.0.1"


def reaches(address: str, port: int, timeout_s: float = STRAIGHT_TIMEOUT_S) -> bool:
    """Tell whether a TCP connection from here comes about."""
    try:
        socket.create_connection((address, port), timeout_s).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def tunnel(way: tuple[Host, ...], login: Login, to: tuple[str, int]) -> Iterator[int]:
    """Yield a port of this machine that leads to an address and port as the host sees them.

    Raises:
        DeployError: no tunnel is to be had.

    """
    ready, until, failed = threading.Event(), threading.Event(), list[DeployError]()

    def carry() -> None:
        try:
            forwarding.run(ready.set, until)
        except DeployError as error:
            failed.append(error)
            ready.set()

    with listen(0) as listener:
        forwarding = Forwarding(listener, lambda: connect(way, login), to, Silent(), renew_after_s=RENEW_AFTER_S)
        carrier = threading.Thread(target=carry, name=f"tunnel to {way[-1].name}", daemon=True)
        carrier.start()
        try:
            ready.wait(READY_TIMEOUT_S)
            if failed:
                raise failed[0]
            yield int(listener.getsockname()[1])
        finally:
            until.set()
            carrier.join(READY_TIMEOUT_S)
