"""TLS as a stranger finds it."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from lifecycle.probes.base import TIMEOUT_S, Check, Subject


def probe(subject: Subject) -> Iterator[Check]:
    """Yield the checks of versions, chain, plain HTTP and HSTS."""
    yield _chain(subject)
    yield _lasts(subject)
    yield from _consumers(subject)
    yield _old_version_refused(subject)
    yield _plain_http_refused(subject)
    yield _hsts(subject)


def _chain(subject: Subject) -> Check:
    """Check the certificate's chain and every name that the plan promises."""
    names = [name for name in subject.plan.tls.hostnames if not name.startswith("*")]
    try:
        versions = {_handshake(subject, name) for name in names}
    except (OSError, ssl.SSLError) as error:
        return Check(id="tls.chain", ok=False, detail=f"handshake failed: {error}")
    return Check(id="tls.chain", ok=True, detail=f"{', '.join(sorted(versions))}; valid for {', '.join(names)}")


def _lasts(subject: Subject) -> Check:
    """Say until when the certificate is good, and what renews it."""
    tls = subject.plan.tls
    try:
        with _opened(subject, tls.name_at(subject.host)) as secure:
            shown: Any = secure.getpeercert()
    except (OSError, ssl.SSLError) as error:
        return Check(id="tls.lasts", ok=False, detail=f"handshake failed: {error}")
    left_s = ssl.cert_time_to_seconds(shown["notAfter"]) - time.time()
    own = "replace its files, then `deploy up`" if tls.mode == "given-certificate" else "`deploy rotate cert` renews it"
    detail = f"until {shown['notAfter']}, {left_s / 86400:.1f} days from now; {own}"
    return Check(id="tls.lasts", ok=left_s >= tls.least_left_s, detail=detail)


def _handshake(subject: Subject, name: str) -> str:
    with _opened(subject, name) as secure:
        return secure.version() or "no TLS"


@contextmanager
def _opened(subject: Subject, name: str) -> Iterator[ssl.SSLSocket]:
    """Connect as a client does that trusts the stack's authority and asks for a name."""
    with (
        socket.create_connection((subject.host, subject.port), TIMEOUT_S) as plain,
        subject.trust().wrap_socket(plain, server_hostname=name) as secure,
    ):
        yield secure


def _consumers(subject: Subject) -> Iterator[Check]:
    """Say by which name and certificate consumers see the endpoint, in the networks that know the name."""
    named = subject.plan.private_name
    if named is None:
        return
    networks = ", ".join(("the nodes' network", *named.consumer_vpc_ids))
    try:
        with _opened(subject, named.name) as secure:
            shown: Any = secure.getpeercert()
    except (OSError, ssl.SSLError) as error:
        detail = f"{named.name}, which {networks} know, is not what the certificate is for: {error}"
        yield Check(id="tls.consumers", ok=False, detail=detail)
        return
    issuer = ", ".join(f"{key}={value}" for part in shown["issuer"] for key, value in part)
    known = f"{named.name}, known in {networks}"
    detail = f"{known}; certificate until {shown['notAfter']}, issued by {issuer}; clients trust {subject.ca_file}"
    yield Check(id="tls.consumers", ok=True, detail=detail)


def _old_version_refused(subject: Subject) -> Check:
    """Offer nothing newer than TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whoever answers: an old version must not be spoken
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with (
            socket.create_connection((subject.host, subject.port), TIMEOUT_S) as plain,
            context.wrap_socket(plain) as secure,
        ):
            return Check(id="tls.version", ok=False, detail=f"{secure.version()} was accepted")
    except ssl.SSLError as error:
        refused_by_peer = "ALERT" in str(error.reason or "") or "alert" in str(error)
        if refused_by_peer:
            return Check(id="tls.version", ok=True, detail="TLS 1.1 refused by the server")
        return Check(id="tls.version", ok=None, detail=f"this machine cannot offer TLS 1.1: {error.reason}")
    except OSError as error:
        return Check(id="tls.version", ok=False, detail=f"no connection: {error}")


def _plain_http_refused(subject: Subject) -> Check:
    """Speak plain HTTP to the published port."""
    try:
        with socket.create_connection((subject.host, subject.port), TIMEOUT_S) as plain:
            plain.settimeout(TIMEOUT_S)
            plain.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = plain.recv(64).split(b"\r\n")[0].decode(errors="replace")
    except ConnectionResetError:
        status = ""
    except OSError as error:
        return Check(id="tls.plain_http", ok=False, detail=f"no connection: {error}")
    # Traefik answers plain HTTP on a TLS port itself, by 400 or 404. The gateway would answer this request by 401:
    # anything but those two means that plain HTTP leads somewhere.
    refused = not status or any(code in f"{status} " for code in (" 400 ", " 404 "))
    return Check(id="tls.plain_http", ok=refused, detail=f"answered {status!r}" if status else "connection closed")


def _hsts(subject: Subject) -> Check:
    try:
        with subject.client() as client:
            header = client.get("/v1/models").headers.get("strict-transport-security", "")
    except httpx.HTTPError as error:
        return Check(id="tls.hsts", ok=False, detail=f"no answer: {error}")
    return Check(id="tls.hsts", ok="max-age=" in header, detail=header or "header missing")
