"""Making sure, from outside, that every endpoint of a stack has taken up what was rotated."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator

import httpx
from cryptography import x509

from lifecycle import certificates
from lifecycle.hosts.subject import endpoint_of
from lifecycle.probes.base import TIMEOUT_S, Subject
from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from planner.errors import DeployError
from planner.progress import Progress

TAKEN_UP_WITHIN_S = 30.0
"""Traefik and the gateway read what changed within seconds; a busy host may take longer."""
LOOK_AGAIN_S = 0.2


class NotTakenUpError(DeployError):
    """An endpoint still goes by what was there before."""

    code = "not_taken_up"


def wait_for_certificate(stack: Stack, certificate: x509.Certificate, trusted: bytes, progress: Progress) -> None:
    """Wait until every endpoint shows a certificate, to a client that trusts these authorities and no others.

    Args:
        stack: whose endpoints.
        certificate: what they shall show.
        trusted: authorities, PEM; empty for those that this machine trusts anyway.
        progress: is told of it.

    Raises:
        NotTakenUpError: one shows another, or none that this client accepts.

    """
    wanted = certificates.fingerprint(certificate)
    trust = ssl.create_default_context(cadata=trusted.decode() or None)

    def seen(subject: Subject) -> str:
        try:
            shown = _shown(subject, trust)
        except OSError as error:
            return f"the handshake fails: {error}"
        return "" if shown == wanted else f"it shows the certificate {shown}"

    _each(stack, progress, "endpoints show the certificate", seen)


def wait_for_answer(stack: Stack, token: str, status: int, progress: Progress) -> None:
    """Wait until every endpoint answers a request with this token by a status.

    Raises:
        NotTakenUpError: one does not.

    """

    def seen(subject: Subject) -> str:
        try:
            with subject.client(token) as client:
                answered = client.get("/v1/models").status_code
        except httpx.HTTPError as error:
            return f"it does not answer: {error}"
        return "" if answered == status else f"it answers {answered}"

    _each(stack, progress, "endpoints know the key" if status < httpx.codes.BAD_REQUEST else "old key refused", seen)


def _shown(subject: Subject, trust: ssl.SSLContext) -> str:
    with (
        socket.create_connection((subject.host, subject.port), TIMEOUT_S) as plain,
        trust.wrap_socket(plain, server_hostname=subject.name) as secure,
    ):
        certificate = secure.getpeercert(binary_form=True)
    return certificates.fingerprint(x509.load_der_x509_certificate(certificate)) if certificate else "(none)"


def _each(stack: Stack, progress: Progress, step: str, seen: Callable[[Subject], str]) -> None:
    """Look at one endpoint after the other, until nothing speaks against it."""
    with progress.step(step), contextlib.ExitStack() as opened:
        for name, subject in opened.enter_context(_endpoints(stack, progress)):
            deadline = time.monotonic() + TAKEN_UP_WITHIN_S
            while against := seen(subject):
                if time.monotonic() > deadline:
                    raise NotTakenUpError(
                        f"{name} has not taken up the new one within {TAKEN_UP_WITHIN_S:.0f} s: {against}",
                        hint="The old one is still good. `deploy status` says whether all services run; then run the "
                        "same command again, which goes on from here.",
                    )
                time.sleep(LOOK_AGAIN_S)


@contextlib.contextmanager
def _endpoints(stack: Stack, progress: Progress) -> Iterator[Iterator[tuple[str, Subject]]]:
    """Yield every endpoint that runs, each reached when its turn comes; none of a stack that is stopped."""
    with served_hosts(stack, progress) as served, contextlib.ExitStack() as opened:

        def of_hosts() -> Iterator[tuple[str, Subject]]:
            if served is None:
                if stack.plan.target == "sandbox" and stack.runs("traefik"):
                    yield "the endpoint", _subject(stack, "127.0.0.1", {})
                return
            for planned in served.stack.plan.hosts:
                way = endpoint_of(served.stack, served.kept, planned, served.login)
                yield planned.name, _subject(served.stack, *opened.enter_context(way))

        yield of_hosts()


def _subject(stack: Stack, host: str, reached: dict[int, int]) -> Subject:
    return Subject(plan=stack.plan, layout=stack.layout, host=host, token=lambda: None, reached=reached)
