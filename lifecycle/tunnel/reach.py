"""The way to a stack's nodes: a tunnel through its endpoint, for our own SSH and for OpenSSH alike."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from lifecycle.aws.session import AwsSession
from lifecycle.home import HOME_VARIABLE
from lifecycle.hosts.inventory import Host
from lifecycle.tunnel.endpoint import LONGEST_S, Endpoint, Target, find_endpoint, signed_url
from lifecycle.tunnel.ephemeral import let_in
from lifecycle.tunnel.stream import TunnelRefusedError, TunnelStream, open_stream
from planner.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
TRY_AGAIN_AFTER_S = (1.0, 2.0, 4.0, 8.0)
"""Waits between attempts while an endpoint is full, or not reached."""
_NEEDED = (HOME_VARIABLE, "SSL_CERT_FILE", "SSL_CERT_DIR")
_NEEDED_KINDS = ("AWS_",)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


class Entrance(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a stack's endpoint and of the nodes behind it.

    Attributes:
        endpoint_id: of the EC2 Instance Connect Endpoint.
        addresses: instance id -> private address.
        duration_s: how long a tunnel may be open, in seconds.

    """

    stack: str
    region: str
    endpoint_id: str
    addresses: dict[str, str]
    duration_s: int = LONGEST_S


class NodeReach:
    """Leads to nodes by their instance id, and has each take our public key right before: it holds for a minute.

    Implements `lifecycle.hosts.ssh.Reach`.
    """

    def __init__(
        self,
        session: AwsSession,
        entrance: Entrance,
        progress: Progress,
        *,
        public_key: str = "",
        public_key_file: Path | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session = session
        self._entrance = entrance
        self._progress = progress
        self._public_key = public_key
        self._public_key_file = public_key_file
        self._pause = pause
        self._endpoint: Endpoint | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """Where credentials, proxies and authorities come from; never on a command line."""
        return {
            name: value
            for name, value in os.environ.items()
            if name in _NEEDED or name.startswith(_NEEDED_KINDS) or name.upper() in _PROXIES
        }

    def dial(self, host: Host) -> TunnelStream:
        """Open a tunnel to a node's SSH port.

        Raises:
            DeployError: the endpoint is gone, full or not reached, or AWS refuses.

        """
        if self._endpoint is None:
            self._endpoint = find_endpoint(self._session, self._entrance.endpoint_id)
        if self._public_key:
            let_in(self._session, host.address, host.user, self._public_key)
        target = Target(
            endpoint=self._endpoint,
            region=self._entrance.region,
            address=self._entrance.addresses[host.address],
            port=host.port,
            duration_s=self._entrance.duration_s,
        )
        for wait_s in TRY_AGAIN_AFTER_S:
            try:
                return self._open(target)
            except TunnelRefusedError as error:
                self._progress.note(f"{error.message}; trying again in {wait_s:.0f} s")
                self._pause(wait_s)
        return self._open(target)

    def proxy_command(self, host: Host) -> str:
        """Return what OpenSSH runs to reach a node: this program's own `tunnel`, which does what `dial` does."""
        words = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-P", "-m", "cli", "tunnel", host.name]
        words += ["--stack", self._entrance.stack]
        if self._public_key_file:
            words += ["--public-key", str(self._public_key_file)]
        return shlex.join(words)

    def _open(self, target: Target) -> TunnelStream:
        url = signed_url(self._session, target)
        return open_stream(url, target.duration_s, self._session.setting("ca_bundle"))
