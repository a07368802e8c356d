"""The certificate that a stack serves: made, kept current, or taken from the company that has its own.

In the `tls` folder of a stack stand `ca.pem` (what clients trust: two authorities while one follows the other),
`leaf.pem` (the certificate, then intermediates) and `leaf.key`. A new pair is written completely beside the old one;
then the key is renamed into place, then the certificate, and Traefik is made to read both. The moment in which the two
differ is that between two renames. If the power fails in that moment, the next call sees it and issues again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509

from lifecycle import certificates, files
from lifecycle.certificates import Key, Pair
from lifecycle.succession import old_certificates, own_authority, succession_of
from planner.errors import DeployError, UsageError
from planner.layout import Layout
from planner.plan import TlsPlan

RENEWAL_SHARE = 3
"""A certificate is renewed when one part in this many of its lifetime is left."""


class CertificateState(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate as it is served now.

    Attributes:
        mode: where it comes from.
        ca_file: what clients trust; empty when they trust the issuer anyway (a public one).
        leaf_file: certificate and intermediates.
        key_file: its key.
        hostnames: names and addresses in it.
        not_before: when it begins, in UTC.
        not_after: when it ends, in UTC.
        fingerprint: SHA-256 of the certificate.
        ca_fingerprint: SHA-256 of the authority that clients trust; empty without one.
        changes: what this call did, in words; empty when everything was in order.

    """

    mode: Literal["own-authority", "given-authority", "given-certificate"]
    ca_file: str
    leaf_file: str
    key_file: str
    hostnames: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    ca_fingerprint: str
    changes: tuple[str, ...] = ()


def ensure_certificate(tls: TlsPlan, layout: Layout, now: datetime, *, anew: bool = False) -> CertificateState:
    """Bring the stack's certificate into order, and say what it is; a second call changes nothing.

    Args:
        tls: what the plan wants.
        layout: the stack's folders; `secrets` and `tls` are made when they are missing.
        now: the time, with its zone.
        anew: issue one, and a key for it, though the old one would do. A given certificate is as it is.

    Raises:
        DeployError: a given certificate or authority cannot be used, or the clock stands before the authority's
            beginning; the message names the field of `[tls]`.

    """
    for folder in (layout.secrets, layout.tls):
        files.make_private_folder(Path(folder))
    if tls.mode == "given-certificate":
        state = _serve_given(tls, layout, now)
    elif tls.mode == "given-authority":
        state = _issue(tls, layout, now, _given_authority(tls, now), anew=anew)
    else:
        state = _issue(tls, layout, now, _own_authority(layout, now), anew=anew)
    _have_it_read(layout)
    return state


def renewal_due(state: CertificateState, now: datetime) -> bool:
    """Tell whether a third of the lifetime or less is left, or the clock stands before its beginning."""
    return _due(state.not_before, state.not_after, now)


@dataclass(frozen=True, kw_only=True)
class _Authority:
    """Who signs: `pair` signs, `trusted` is for clients, `intermediates` travel with the leaf."""

    pair: Pair
    trusted: list[x509.Certificate]
    intermediates: list[x509.Certificate]
    changes: tuple[str, ...] = ()


class _Paths:
    """What is served and trusted, in the `tls` folder; and the own authority, which is kept with the secrets."""

    def __init__(self, layout: Layout) -> None:
        self.ca = Path(layout.tls, "ca.pem")
        self.leaf = Path(layout.tls, "leaf.pem")
        self.key = Path(layout.tls, "leaf.key")
        self.own_ca, self.own_ca_key = own_authority(layout)


def _issue(tls: TlsPlan, layout: Layout, now: datetime, authority: _Authority, *, anew: bool) -> CertificateState:
    """Issue a leaf unless the one that is there will do."""
    paths = _Paths(layout)
    hostnames = _hostnames(tls)
    changes = list(authority.changes)
    _place(paths.ca, certificates.pem_of(authority.trusted), files.PUBLIC)
    leaf, reason = (None, "a new one was asked for") if anew else _usable_leaf(paths, authority, hostnames, now)
    if leaf is None:
        pair = certificates.make_leaf(authority.pair, hostnames, timedelta(days=tls.leaf_days), now)
        leaf = pair.certificate
        _place_pair(paths, [leaf, *authority.intermediates], certificates.key_pem(pair.key))
        changes.append(f"issued a certificate: {reason}")
    paths.key.chmod(files.PRIVATE)
    return _state(tls, paths, leaf, authority.trusted, tuple(changes))


def _usable_leaf(
    paths: _Paths, authority: _Authority, hostnames: tuple[str, ...], now: datetime
) -> tuple[x509.Certificate | None, str]:
    """Return the leaf that is there when it will do, else None and why not."""
    if not paths.leaf.exists() or not paths.key.exists():
        return None, "there was none"
    try:
        leaf, *intermediates = certificates.certificates_of(paths.leaf.read_bytes())
        problems = {
            "its key was another one's": not certificates.matches(leaf, certificates.key_of(paths.key.read_bytes())),
            "the authority is a new one": not certificates.is_signed_by(leaf, authority.pair.certificate),
            "the intermediates changed": intermediates != authority.intermediates,
            "the names changed": certificates.names_of(leaf) != frozenset(hostnames),
            "the old one was due": _due(leaf.not_valid_before_utc, leaf.not_valid_after_utc, now),
        }
    except ValueError:
        return None, "the old one could not be read"
    reason = next((reason for reason, holds in problems.items() if holds), "")
    return (None, reason) if reason else (leaf, "")


def _due(not_before: datetime, not_after: datetime, now: datetime) -> bool:
    return now < not_before or not_after - now <= (not_after - not_before) / RENEWAL_SHARE


def _own_authority(layout: Layout, now: datetime) -> _Authority:
    """Load the stack's own authority, or make it when there is none that can sign; and what is to follow it."""
    coming = succession_of(layout)
    if coming and coming.signs:
        new = coming.pair
        both = dict.fromkeys([new.certificate, *old_certificates(layout)])
        return _Authority(pair=new, trusted=list(both), intermediates=[])
    paths = _Paths(layout)
    pair = _load_own(paths)
    if pair is not None and now < pair.certificate.not_valid_before_utc:
        begins = pair.certificate.not_valid_before_utc
        raise DeployError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, which is before the stack's certificate authority was made "
            f"({begins:%Y-%m-%d %H:%M} UTC)",
            hint="Set the clock of this machine, then run the command again.",
            code="clock",
        )
    changes: tuple[str, ...] = ()
    if pair is None or now >= pair.certificate.not_valid_after_utc:
        pair = certificates.make_authority(Path(layout.stack).name, now)
        files.write(paths.own_ca_key, certificates.key_pem(pair.key), files.PRIVATE)
        files.write(paths.own_ca, certificates.pem_of([pair.certificate]), files.PRIVATE)
        changes = ("made a certificate authority, which clients must trust",)
    paths.own_ca_key.chmod(files.PRIVATE)
    trusted = [pair.certificate, *([coming.pair.certificate] if coming else [])]
    return _Authority(pair=pair, trusted=trusted, intermediates=[], changes=changes)


def _load_own(paths: _Paths) -> Pair | None:
    try:
        certificate, *_ = certificates.certificates_of(paths.own_ca.read_bytes())
        key = certificates.key_of(paths.own_ca_key.read_bytes())
    except (OSError, ValueError):
        return None
    usable = certificates.matches(certificate, key) and certificates.may_sign_certificates(certificate)
    return Pair(certificate, key) if usable else None


def _given_authority(tls: TlsPlan, now: datetime) -> _Authority:
    """Load the company's issuing authority, and check that clients will accept what it signs."""
    chain = _given_certificates("ca", tls.ca)
    key = _given_key("ca_key", tls.ca_key)
    issuer = next((certificate for certificate in chain if certificates.matches(certificate, key)), None)
    if issuer is None:
        raise _unusable("ca_key", tls.ca_key, f"it is not the key of the certificate in {tls.ca}")
    if not certificates.may_sign_certificates(issuer):
        why = "it is no certificate authority: CA:TRUE and the key usage keyCertSign are needed"
        raise _unusable("ca", tls.ca, why)
    _check_time("ca", tls.ca, issuer, now)
    intermediates = [certificate for certificate in chain if not certificates.is_root(certificate)]
    roots = [certificate for certificate in chain if certificates.is_root(certificate)]
    return _Authority(
        pair=Pair(issuer, key),
        trusted=roots or chain,
        intermediates=sorted(intermediates, key=lambda certificate: certificate != issuer),
    )


def _serve_given(tls: TlsPlan, layout: Layout, now: datetime) -> CertificateState:
    """Check the company's own certificate, and copy it to where it is served from."""
    chain = _given_certificates("certificate", tls.certificate)
    key = _given_key("key", tls.key)
    roots = _given_certificates("ca", tls.ca) if tls.ca else []
    leaf = chain[0]
    _check_given(tls, leaf, chain, roots)
    if not certificates.matches(leaf, key):
        raise _unusable("key", tls.key, f"it is not the key of the first certificate in {tls.certificate}")
    _check_time("certificate", tls.certificate, leaf, now)
    paths = _Paths(layout)
    changes = []
    if _content(paths.leaf) != certificates.pem_of(chain) or _content(paths.key) != certificates.key_pem(key):
        _place_pair(paths, chain, certificates.key_pem(key))
        changes.append("took over the given certificate")
    if roots:
        _place(paths.ca, certificates.pem_of(roots), files.PUBLIC)
    else:
        paths.ca.unlink(missing_ok=True)
    paths.key.chmod(files.PRIVATE)
    return _state(tls, paths, leaf, roots, tuple(changes))


def _check_given(
    tls: TlsPlan, leaf: x509.Certificate, chain: list[x509.Certificate], roots: list[x509.Certificate]
) -> None:
    if not certificates.may_serve(leaf):
        raise _unusable("certificate", tls.certificate, "its extended key usage does not include serverAuth")
    missing = [name for name in _hostnames(tls) if not certificates.covers(leaf, name)]
    if missing:
        names = ", ".join(sorted(certificates.names_of(leaf))) or "no name at all"
        raise _unusable("certificate", tls.certificate, f"it is not for {', '.join(missing)} (it is for {names})")
    if not certificates.leads_to(chain, roots or chain[-1:]):
        why = "its certificates do not lead from one to the next: leaf first, then each issuer"
        raise _unusable("certificate", tls.certificate, why + (f", up to one in {tls.ca}" if roots else ""))


def _check_time(field: str, path: str, certificate: x509.Certificate, now: datetime) -> None:
    if now >= certificate.not_valid_after_utc:
        raise _unusable(field, path, f"it ended on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if now < certificate.not_valid_before_utc:
        raise _unusable(field, path, f"it begins only on {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def _given_certificates(field: str, path: str) -> list[x509.Certificate]:
    try:
        return certificates.certificates_of(_given_file(field, path))
    except ValueError as error:
        raise _unusable(field, path, f"no certificate can be read from it: {error}") from error


def _given_key(field: str, path: str) -> Key:
    try:
        return certificates.key_of(_given_file(field, path))
    except ValueError as error:
        raise _unusable(field, path, f"no key can be read from it: {error}") from error


def _given_file(field: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unusable(field, path, error.strerror or str(error)) from error


def _unusable(field: str, path: str, why: str) -> UsageError:
    return UsageError(
        f"the file given as `{field}` in the profile's `[tls]` cannot be used: {path or '(no path)'}: {why}",
        hint=f"Correct `tls.{field}` in the profile, or leave it out to let the stack use an authority of its own.",
        code="tls_invalid",
    )


def _hostnames(tls: TlsPlan) -> tuple[str, ...]:
    """Return the wanted names in canonical form, each once, in order."""
    try:
        names = tuple(dict.fromkeys(certificates.canonical(name) for name in tls.hostnames))
    except ValueError as error:
        raise UsageError(
            f"the profile's `[tls]` names a host that cannot be: {error}",
            hint="Correct `tls.hostnames` in the profile.",
            code="tls_invalid",
        ) from error
    if not names:
        raise UsageError(
            "the certificate would be for no name at all",
            hint="Name at least one host in `tls.hostnames` of the profile.",
            code="tls_invalid",
        )
    return names


def _place_pair(paths: _Paths, chain: list[x509.Certificate], key: bytes) -> None:
    """Put a pair in place, key first (see the module's own text)."""
    staged = paths.leaf.with_name(".leaf.pem.next")
    files.write(staged, certificates.pem_of(chain), files.PUBLIC)
    files.write(paths.key, key, files.PRIVATE)
    staged.replace(paths.leaf)
    files.sync_folder(paths.leaf.parent)


def _have_it_read(layout: Layout) -> None:
    """Have Traefik read the pair again: it watches its configuration, not the files that this names.

    Done on every call, not only after a change: the call that made the change may not have come this far.
    """
    for path in Path(layout.config, "traefik", "dynamic").glob("*.yml"):
        os.utime(path)


def _place(path: Path, content: bytes, mode: int) -> None:
    if _content(path) != content:
        files.write(path, content, mode)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _state(
    tls: TlsPlan, paths: _Paths, leaf: x509.Certificate, trusted: list[x509.Certificate], changes: tuple[str, ...]
) -> CertificateState:
    return CertificateState(
        mode=tls.mode,
        ca_file=str(paths.ca) if trusted else "",
        leaf_file=str(paths.leaf),
        key_file=str(paths.key),
        hostnames=tuple(sorted(certificates.names_of(leaf))),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        fingerprint=certificates.fingerprint(leaf),
        ca_fingerprint=certificates.fingerprint(trusted[0]) if trusted else "",
        changes=changes,
    )
