"""Verifying access tokens: RFC 7519 and RFC 9068, with the checks of RFC 8725 (best current practice)."""

from __future__ import annotations

import json
import time
import warnings
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any, TypeGuard

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.config import Auth
from gateway.errors import TokenRefusedError
from gateway.keys import Key, Keys
from gateway.revocations import Revocations

TYPES = {"jwt", "at+jwt", "application/at+jwt"}
"""`typ` must be one of these, or absent: RFC 9068 wants it, but many issuers leave it out."""
HEADERS = {"alg", "kid", "typ", "cty"}
"""Header parameters that are looked at or harmless; `jwk`, `jku`, `x5u`, `x5c` are ignored, `crit` is refused."""
MAX_TOKEN_BYTES = 8192
MAX_NAME = 256
"""Characters of `jti` and `sub`."""
KEY_TYPES: dict[str, type[Key]] = {
    "EdDSA": OKPKey,
    "Ed25519": OKPKey,
    "ES256": ECKey,
    "RS256": RSAKey,
    "PS256": RSAKey,
}


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as the token says."""

    client: str
    jti: str
    scopes: frozenset[str]


class Verifier:
    """Decides whether a token is good."""

    def __init__(
        self,
        auth: Auth,
        keys: Keys,
        revocations: Callable[[], Revocations],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.auth = auth
        self.keys = keys
        self._revocations = revocations
        self._clock = clock

    async def verify(self, authorization: str | None) -> Caller:
        """Return who asks.

        Args:
            authorization: the header's value, if there is one.

        Raises:
            TokenRefusedError: there is no token, or it is not good.

        """
        token = _bearer(authorization)
        header = _header(token)
        algorithm = header.get("alg")
        if algorithm not in self.auth.algorithms:
            raise TokenRefusedError("algorithm", "the token's algorithm is not accepted")
        if "crit" in header:
            raise TokenRefusedError("header", "the token has critical headers that are not understood")
        if "typ" in header and str(header["typ"]).lower() not in TYPES:
            raise TokenRefusedError("type", "the token is no access token")
        if not isinstance(kid := header.get("kid"), str):
            raise TokenRefusedError("kid", "the token names no key")
        key = await self.keys.find(kid)
        if key is None:
            raise TokenRefusedError("kid", "the token's key is not known")
        if _has_retired(key, self._clock()):
            raise TokenRefusedError("kid", "the token's key has retired")
        return self._check(_claims(token, key, str(algorithm)))

    def _check(self, claims: dict[str, Any]) -> Caller:
        if claims.get("iss") != self.auth.issuer:
            raise TokenRefusedError("issuer", "the token has another issuer")
        audience = claims.get("aud")
        if self.auth.audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefusedError("audience", "the token is for another audience")
        issued_at = self._check_times(claims)
        jti, client = claims.get("jti"), claims.get("sub") or claims.get("client_id")
        if not _is_name(jti) or not _is_name(client):
            raise TokenRefusedError("claims", "the token has no usable jti or sub")
        if self._revocations().revokes(jti, client, issued_at):
            raise TokenRefusedError("revoked", "the token is revoked")
        return Caller(client=client, jti=jti, scopes=_scopes(claims))

    def _check_times(self, claims: dict[str, Any]) -> float:
        """Check exp, nbf and iat by the wall clock; return iat."""
        now, leeway = self._clock(), self.auth.leeway_s
        issued_at, expires = _number(claims, "iat"), _number(claims, "exp")
        if now >= expires + leeway:
            raise TokenRefusedError("expired", "the token has expired")
        if issued_at > now + leeway:
            raise TokenRefusedError("early", "the token was issued in the future")
        if "nbf" in claims and _number(claims, "nbf") > now + leeway:
            raise TokenRefusedError("early", "the token is not good yet")
        if expires - issued_at > self.auth.max_lifetime_s:
            raise TokenRefusedError("lifetime", "the token lives longer than is accepted")
        return issued_at


def _bearer(authorization: str | None) -> str:
    if authorization is None:
        raise TokenRefusedError("missing")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenRefusedError("missing")
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise TokenRefusedError("malformed", "the token is malformed")
    return token


def _header(token: str) -> dict[str, Any]:
    """Read the header, before anything in it is believed."""
    if token.count(".") != 2:
        raise TokenRefusedError("malformed", "the token is malformed")
    segment = token.split(".", maxsplit=1)[0]
    try:
        header = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (Base64Error, ValueError, RecursionError):
        raise TokenRefusedError("malformed", "the token is malformed") from None
    if not isinstance(header, dict):
        raise TokenRefusedError("malformed", "the token is malformed")
    return header


def _claims(token: str, key: Key, algorithm: str) -> dict[str, Any]:
    """Check the signature with this key and this algorithm, and no other; return the claims."""
    if not isinstance(key, KEY_TYPES[algorithm]) or key.get("alg", algorithm) not in _same_algorithm(algorithm):
        raise TokenRefusedError("algorithm", "the token's algorithm does not suit its key")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # RFC 9864 deprecates the name EdDSA, not the algorithm
            registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
            signed = jws.deserialize_compact(token, key, registry=registry)
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise TokenRefusedError("signature", "the token's signature is wrong") from None
    if not isinstance(claims, dict):
        raise TokenRefusedError("claims", "the token holds no claims")
    return claims


def _has_retired(key: Key, now: float) -> bool:
    """Tell whether a key is past its `exp` (Unix seconds; as in OpenID Federation 1.0, section 8.7)."""
    until: Any = key.get("exp")
    return isinstance(until, int | float) and now >= until


def _same_algorithm(algorithm: str) -> set[str]:
    """Return the names of an algorithm: RFC 8037 says EdDSA, RFC 9864 Ed25519."""
    return {"EdDSA", "Ed25519"} if algorithm in {"EdDSA", "Ed25519"} else {algorithm}


def _is_name(value: Any) -> TypeGuard[str]:
    """Tell whether a claim can stand in headers, logs and labels: printable ASCII of bounded length."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isascii() and value.isprintable()


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise TokenRefusedError("claims", f"the token has no usable {name}")
    return float(value)


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Return the scopes: `scope` (RFC 8693) as words, or `scp` as a list."""
    scope, listed = claims.get("scope"), claims.get("scp")
    if isinstance(scope, str):
        return frozenset(scope.split())
    if isinstance(listed, list):
        return frozenset(item for item in listed if isinstance(item, str))
    return frozenset(listed.split()) if isinstance(listed, str) else frozenset()
