"""What every probe knows, and what it answers."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
import msgspec

from planner.layout import Layout
from planner.plan import Plan

TIMEOUT_S = 20.0
"""Longest wait for an answer; the sandbox's engine is never slower."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried.

    Attributes:
        id: stable name, for example `auth.expired`.
        ok: it holds; None when it could not be tried, and `detail` says why.
        detail: what was seen.

    """

    id: str
    ok: bool | None
    detail: str


@dataclass(frozen=True)
class Subject:
    """The running stack, as probes see it.

    Attributes:
        token: gives a token that is valid for inference; None where the stack issues none and none was given.
        reached: port of the plan -> port of this machine's loopback from which a tunnel leads there.

    """

    plan: Plan
    layout: Layout
    host: str
    token: Callable[[], str | None]
    reached: Mapping[int, int] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """The published port, or the one of this machine that leads there."""
        return self.reached_at("traefik", "https")

    def reached_at(self, service: str, port: str) -> int:
        """Return the number by which a port of the plan is reached from here."""
        number = self.plan.port(service, port)
        return self.reached.get(number, number)

    @property
    def url(self) -> str:
        """Where clients reach the stack."""
        return f"https://{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """A name that the certificate is valid for."""
        return self.plan.tls.name_at(self.host)

    @property
    def ca_file(self) -> str:
        """The authority that clients trust."""
        return f"{self.layout.tls}/ca.pem"

    def trust(self) -> ssl.SSLContext:
        """Return a client's TLS settings: the stack's authority and no other, names checked."""
        return ssl.create_default_context(cafile=self.ca_file)

    def client(self, token: str | None = None) -> httpx.Client:
        """Return an HTTP client that trusts the stack's authority and follows no redirect."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(
            base_url=self.url, verify=self.trust(), headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        # The address is this machine's, the name the certificate's: a company's names lead elsewhere, or nowhere.
        client.event_hooks["request"].append(lambda request: request.extensions.update(sni_hostname=self.name))
        return client
