"""Tokens that must not open the door, and what is said to those who hold them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
from joserfc import jwt

from lifecycle import signing
from lifecycle.probes.base import Check, Subject
from lifecycle.register import IssuerFiles

PATH = "/v1/models"


def probe(subject: Subject) -> Iterator[Check]:
    """Yield one check per kind of bad token."""
    yield _refused(subject, "auth.no_token", None)
    yield _refused(subject, "auth.garbage", "not.a.token")
    yield _refused(subject, "auth.alg_none", _unsigned(_claims(subject)))
    yield _refused(subject, "auth.hs256_with_public_key", _hs256(subject))
    if not subject.plan.identity.built_in:
        for kind in ("expired", "wrong_audience", "unknown_kid", "missing_scope"):
            yield Check(id=f"auth.{kind}", ok=None, detail="only the foreign issuer can sign such a token")
        return
    now = int(time.time())
    yield _refused(subject, "auth.expired", _signed(subject, iat=now - 7200, nbf=now - 7200, exp=now - 3600))
    yield _refused(subject, "auth.wrong_audience", _signed(subject, aud="another-service"))
    yield _refused(subject, "auth.unknown_kid", _signed(subject, kid="unknown"))
    yield _refused(subject, "auth.missing_scope", _signed(subject, scope="nothing"), status=403)


def _refused(subject: Subject, check: str, token: str | None, status: int = 401) -> Check:
    """Ask with the token; the answer must have the status and RFC 6750's challenge."""
    try:
        with subject.client(token) as client:
            answer = client.get(PATH)
    except httpx.HTTPError as error:
        return Check(id=check, ok=False, detail=f"no answer: {error}")
    challenge = answer.headers.get("www-authenticate", "")
    wanted = {403: 'error="insufficient_scope"', 401: 'error="invalid_token"' if token else "Bearer"}[status]
    ok = answer.status_code == status and challenge.startswith("Bearer") and wanted in challenge
    return Check(id=check, ok=ok, detail=f"{answer.status_code}, WWW-Authenticate: {challenge or 'missing'}")


def _claims(subject: Subject) -> dict[str, Any]:
    """Return claims that would be let in, were they signed by the issuer."""
    identity, now = subject.plan.identity, int(time.time())
    return {
        "iss": identity.issuer,
        "aud": identity.audience,
        "sub": "verify",
        "client_id": "verify",
        "scope": subject.plan.gateway.routes[0].scope,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "jti": str(uuid.uuid4()),
    }


def _signed(subject: Subject, *, kid: str | None = None, **changes: Any) -> str:
    """Sign with the issuer's real key: what is wrong with the token is what is tried, and nothing else."""
    key = signing.load(IssuerFiles.of(subject.layout).keys)[-1]
    algorithm = str(key.get("alg"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # RFC 9864 deprecates the name EdDSA, not the algorithm
        header = {"alg": algorithm, "typ": "at+jwt", "kid": kid or key.kid}
        return jwt.encode(header, {**_claims(subject), **changes}, key, algorithms=[algorithm])


def _segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _unsigned(claims: dict[str, Any]) -> str:
    header = json.dumps({"alg": "none", "typ": "JWT"}).encode()
    return f"{_segment(header)}.{_segment(json.dumps(claims).encode())}."


def _hs256(subject: Subject) -> str:
    """Sign with the issuer's public key as if it were a shared secret (the key-confusion attack)."""
    keys = IssuerFiles.of(subject.layout).key_set
    known = json.loads(keys.read_text(encoding="utf-8"))["keys"][0] if keys.is_file() else {"kid": "any"}
    header = json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": known.get("kid", "any")}).encode()
    signed = f"{_segment(header)}.{_segment(json.dumps(_claims(subject)).encode())}"
    secret = json.dumps(known).encode()
    return f"{signed}.{_segment(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
