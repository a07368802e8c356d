"""The built-in issuer: tokens for clients, a register of what was issued, and revocation.

Beside the signing keys (see `lifecycle.signing`) there are three files: the key set and the revocations, which the
gateway reads, and the register, which tells a person who has been given what. No file holds a token.
"""

from __future__ import annotations

import re
import secrets
import warnings
from datetime import datetime

import msgspec
from joserfc import jwk, jwt
from joserfc.errors import SecurityWarning

from lifecycle import signing
from lifecycle.durations import format_duration
from lifecycle.register import (
    Issued,
    IssuerFiles,
    Revocations,
    locked,
    read_register,
    read_revocations,
    utc,
    write_register,
    write_revocations,
)
from planner.errors import DeployError, UsageError
from planner.layout import Layout
from planner.plan import Plan

CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
"""Names of clients: they stand in tokens, logs and labels of metrics."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is handed to a client, once."""

    token: str
    jti: str
    client: str
    scopes: tuple[str, ...]
    expires_at: datetime

    def __repr__(self) -> str:
        """Leave the token out, so that no log or traceback shows it."""
        return f"Token(jti={self.jti!r}, client={self.client!r}, expires_at={self.expires_at.isoformat()})"


class Retiring(msgspec.Struct, frozen=True, kw_only=True):
    """A key that no longer signs, and until when its tokens are good."""

    kid: str
    until: datetime


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation came to: the key that signs from now on, and the older ones that are still good, oldest first."""

    kid: str
    retiring: tuple[Retiring, ...]


def ensure_issuer(plan: Plan, layout: Layout) -> IssuerFiles:
    """Make what the issuer and the gateway need, unless it is there; a second call changes nothing.

    Raises:
        UsageError: the plan takes its tokens from a foreign issuer.
        DeployError: a file of the issuer is damaged.

    """
    paths = _own(plan, layout)
    with locked(paths):
        keys = signing.load(paths.keys)
        if not keys:
            signing.save(paths.keys, paths.key_set, [signing.make_key(_algorithm(plan))])
        else:
            signing.publish(paths.key_set, keys)
        if not paths.revocations.exists():
            write_revocations(paths, Revocations())
    return paths


def publish_key(plan: Plan, layout: Layout) -> str:
    """Put a new key beside the one that signs, where the gateway will know it before it signs, and return its id.

    One that waits already, because a run was killed, is taken.

    Raises:
        UsageError: the plan takes its tokens from a foreign issuer.
        DeployError: a file of the issuer is damaged.

    """
    paths = ensure_issuer(plan, layout)
    with locked(paths):
        keys = signing.load(paths.keys)
        key = signing.waiting(keys)
        if key is None:
            key = signing.make_key(_algorithm(plan))
            signing.save(paths.keys, paths.key_set, [*keys[:-1], key, keys[-1]])
    return str(key.kid)


def sign_with(plan: Plan, layout: Layout, kid: str, *, now: datetime) -> Rotated:
    """Let a published key sign from now on. An older one retires when the last token that it signed must have expired.

    Args:
        plan: says the longest lifetime.
        layout: the stack's folders.
        kid: id of the key.
        now: the time, with its zone.

    Raises:
        DeployError: there is no such key, or a file of the issuer is damaged.

    """
    paths = _own(plan, layout)
    seconds = int(now.timestamp())
    until = seconds + plan.identity.max_lifetime_s + plan.identity.leeway_s
    with locked(paths):
        keys = signing.load(paths.keys)
        key = _key_named(keys, kid)
        others = [one for one in keys if one.kid != kid]
        older = signing.in_service(signing.relieved(others, until), seconds)
        signing.save(paths.keys, paths.key_set, [*older, key])
    return Rotated(kid=kid, retiring=_retiring(older))


def retiring_keys(plan: Plan, layout: Layout) -> tuple[Retiring, ...]:
    """Return the keys that no longer sign and are still there, oldest first.

    Raises:
        UsageError: the plan takes its tokens from a foreign issuer.
        DeployError: a file of the issuer is damaged.

    """
    return _retiring(signing.load(_own(plan, layout).keys))


def signing_key(plan: Plan, layout: Layout) -> str:
    """Return the id of the key that signs now.

    Raises:
        UsageError: the plan takes its tokens from a foreign issuer.
        DeployError: a file of the issuer is damaged.

    """
    return str(signing.load(ensure_issuer(plan, layout).keys)[-1].kid)


def waiting_key(plan: Plan, layout: Layout) -> str:
    """Return the id of the key that is published, and is to sign next; empty where there is none.

    Raises:
        UsageError: the plan takes its tokens from a foreign issuer.
        DeployError: a file of the issuer is damaged.

    """
    key = signing.waiting(signing.load(_own(plan, layout).keys))
    return str(key.kid) if key else ""


def remove_retiring(plan: Plan, layout: Layout) -> tuple[str, ...]:
    """Remove the keys that no longer sign, whether or not tokens of theirs are still out; return their ids.

    Raises:
        UsageError: the plan takes its tokens from a foreign issuer.
        DeployError: a file of the issuer is damaged.

    """
    paths = _own(plan, layout)
    with locked(paths):
        keys = signing.load(paths.keys)
        staying = [key for key in keys if signing.retires_at(key) is None]
        signing.save(paths.keys, paths.key_set, staying)
    return tuple(str(key.kid) for key in keys if key not in staying)


def issue(
    plan: Plan,
    layout: Layout,
    *,
    client: str,
    ttl_s: int,
    scopes: tuple[str, ...],
    now: datetime,
    kid: str = "",
) -> Token:
    """Issue a token, and remember that it was issued.

    Args:
        plan: says issuer, audience, scopes and the longest lifetime.
        layout: the stack's folders.
        client: who it is for; `sub` and `client_id` of the token.
        ttl_s: seconds until it expires.
        scopes: what it may be used for.
        now: the time, with its zone.
        kid: id of the key that signs it; the one that signs now when empty.

    Raises:
        UsageError: the client's name, the lifetime or a scope cannot be; or the plan has a foreign issuer.
        DeployError: a file of the issuer is damaged, the clock was set back, or there is no such key.

    """
    _check(plan, client, ttl_s, scopes)
    paths = ensure_issuer(plan, layout)
    with locked(paths):
        _forget_retired_keys(paths, now)
        register = read_register(paths)
        issued_at = _issued_at(plan, read_revocations(paths), client, now)
        expires_at = int(now.timestamp()) + ttl_s
        record = Issued(
            jti=secrets.token_hex(16),
            client=client,
            scopes=scopes,
            issued_at=utc(issued_at),
            expires_at=utc(expires_at),
        )
        claims = {
            "iss": plan.identity.issuer,
            "aud": plan.identity.audience,
            "sub": client,
            "client_id": client,
            "scope": " ".join(scopes),
            "iat": issued_at,
            "nbf": int(now.timestamp()),
            "exp": expires_at,
            "jti": record.jti,
        }
        # Remembered first: a token that nobody can list or revoke must not leave this function.
        write_register(paths, (*register, record), now)
        return Token(
            token=_sign(paths, claims, kid), jti=record.jti, client=client, scopes=scopes, expires_at=record.expires_at
        )


def list_tokens(plan: Plan, layout: Layout) -> tuple[Issued, ...]:
    """Return what was issued, oldest first; what expired long ago is forgotten.

    Raises:
        UsageError: the plan takes its tokens from a foreign issuer.
        DeployError: the register is damaged.

    """
    return read_register(_own(plan, layout))


def revoke(
    plan: Plan, layout: Layout, *, now: datetime, jti: str = "", client: str = "", everything: bool = False
) -> tuple[Issued, ...]:
    """Revoke one token, all of a client, or all; return those that were still good.

    Revoking all also replaces the signing key, so that it holds for tokens that no register remembers.

    Args:
        plan: says the longest lifetime, after which a revocation need not be remembered.
        layout: the stack's folders.
        now: the time, with its zone.
        jti: id of one token.
        client: name of a client; what was issued to it until now is refused, known or not.
        everything: every token of the stack.

    Raises:
        UsageError: no token has this id, not exactly one of the three is given, or the plan has a foreign issuer.
        DeployError: a file of the issuer is damaged.

    """
    if sum((bool(jti), bool(client), everything)) != 1:
        raise UsageError(
            "it is not clear what to revoke", hint="Name one token id, one client, or all.", code="bad_revocation"
        )
    paths = ensure_issuer(plan, layout)
    with locked(paths):
        register = read_register(paths)
        chosen = {token.jti for token in register if everything or jti == token.jti or client == token.client}
        if jti and not chosen:
            raise UsageError(
                f"no token of this stack has the id {jti!r}",
                hint="`deploy token list` shows the ids; a client's name revokes all that it holds.",
                code="unknown_token",
            )
        good_until = utc(int(now.timestamp()) - plan.identity.leeway_s)  # the gateway's clock may be behind
        ended = tuple(
            token
            for token in register
            if token.jti in chosen and token.revoked_at is None and token.expires_at >= good_until
        )
        clients = {client} if client else {token.client for token in register if everything}
        write_revocations(paths, _revoked(plan, read_revocations(paths), ended, clients, now))
        marked = (_mark(token, now) if token in ended else token for token in register)
        write_register(paths, tuple(marked), now)
        if everything:
            signing.save(paths.keys, paths.key_set, [signing.make_key(_algorithm(plan))])
    return ended


def _check(plan: Plan, client: str, ttl_s: int, scopes: tuple[str, ...]) -> None:
    if not CLIENT.fullmatch(client):
        raise UsageError(
            f"{client!r} cannot be the name of a client",
            hint="Use up to 63 letters, digits and . _ @ -, beginning with a letter or a digit.",
            code="bad_client",
        )
    longest = plan.identity.max_lifetime_s
    if not 1 <= ttl_s <= longest:
        raise UsageError(
            f"a token of this stack lives at most {format_duration(longest)}; {ttl_s} seconds were asked for",
            hint="Ask for less, or raise `identity.max_token_lifetime_s` in the profile and run `deploy up`.",
            code="bad_lifetime",
        )
    known = {plan.gateway.observe_scope, *(route.scope for route in plan.gateway.routes)}
    unknown = [scope for scope in scopes if scope not in known]
    if unknown or not scopes:
        raise UsageError(
            f"no route of this stack asks for the scope {unknown[0]!r}" if unknown else "a token needs a scope",
            hint=f"Scopes of this stack: {', '.join(sorted(known))}.",
            code="bad_scope",
        )


def _issued_at(plan: Plan, revocations: Revocations, client: str, now: datetime) -> int:
    """Return the time of issue: one second after the client's revocation when both fall into the same second."""
    seconds = int(now.timestamp())
    revoked_until = revocations.clients.get(client, 0)
    if revoked_until >= seconds + plan.identity.leeway_s:
        raise DeployError(
            f"all tokens of {client} were revoked at {utc(revoked_until):%Y-%m-%d %H:%M} UTC, which is still to come",
            hint="The clock of this machine was set back: set it, then run the command again.",
            code="clock",
        )
    return max(seconds, revoked_until + 1)


def _forget_retired_keys(paths: IssuerFiles, now: datetime) -> None:
    keys = signing.load(paths.keys)
    left = signing.in_service(keys, int(now.timestamp()))
    if len(left) < len(keys):
        signing.save(paths.keys, paths.key_set, left)


def _retiring(keys: list[jwk.OKPKey]) -> tuple[Retiring, ...]:
    ends = ((key, signing.retires_at(key)) for key in keys)
    return tuple(Retiring(kid=str(key.kid), until=utc(until)) for key, until in ends if until is not None)


def _key_named(keys: list[jwk.OKPKey], kid: str) -> jwk.OKPKey:
    for key in keys:
        if key.kid == kid:
            return key
    raise DeployError(
        f"the issuer has no key {kid}",
        hint="Another command removed it meanwhile; run this one again.",
        code="unknown_key",
    )


def _sign(paths: IssuerFiles, claims: dict[str, object], kid: str) -> str:
    keys = signing.load(paths.keys)
    key = _key_named(keys, kid) if kid else keys[-1]
    algorithm = str(key.get("alg"))
    with warnings.catch_warnings():
        # RFC 9864 deprecates the name `EdDSA`, not the algorithm; the plan chooses the name.
        warnings.simplefilter("ignore", SecurityWarning)
        header = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[algorithm])


def _algorithm(plan: Plan) -> signing.Algorithm:
    if "EdDSA" in plan.identity.algorithms:
        return "EdDSA"
    if "Ed25519" in plan.identity.algorithms:
        return "Ed25519"
    raise UsageError(
        "the plan's gateway accepts no algorithm that the built-in issuer signs with (EdDSA, Ed25519)",
        hint="Name an issuer of your own in `identity.issuer`, or leave the algorithms as they are.",
        code="bad_algorithm",
    )


def _revoked(plan: Plan, old: Revocations, ended: tuple[Issued, ...], clients: set[str], now: datetime) -> Revocations:
    """Return the revocations with new ones, and without those of tokens that have expired anyway."""
    seconds = int(now.timestamp())
    expired = seconds - plan.identity.leeway_s
    tokens = old.revoked | {token.jti: int(token.expires_at.timestamp()) for token in ended}
    # A clock that was set back must not bring back what is revoked already.
    until = old.clients | {name: max(seconds, old.clients.get(name, 0)) for name in sorted(clients)}
    return Revocations(
        revoked={jti: expiry for jti, expiry in tokens.items() if expiry >= expired},
        clients={name: time for name, time in until.items() if time + plan.identity.max_lifetime_s >= expired},
    )


def _mark(token: Issued, now: datetime) -> Issued:
    return msgspec.structs.replace(token, revoked_at=utc(int(now.timestamp())))


def _own(plan: Plan, layout: Layout) -> IssuerFiles:
    if not plan.identity.built_in:
        raise UsageError(
            f"this stack takes its tokens from {plan.identity.issuer}, and issues none itself",
            hint="Ask that issuer for a token; or leave `identity.issuer` out of the profile and run `deploy up`.",
            code="foreign_issuer",
        )
    return IssuerFiles.of(layout)
