"""Certificates as data: make an authority and a leaf, read PEM, and say what a certificate is good for.

ECDSA P-256 throughout: every client has known it for years, and its keys and signatures are small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

Key = CertificateIssuerPrivateKeyTypes
"""Private keys that can sign certificates."""

BACKDATED = timedelta(hours=1)
"""Certificates begin this long ago, for clients whose clocks are behind."""

AUTHORITY_LIFETIME = timedelta(days=3650)
"""A new authority means that every client must trust again, so it outlives any stack."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Key


def make_authority(name: str, now: datetime) -> Pair:
    """Make a certificate authority that signs leaves and no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # The key's own number in the name keeps the authorities of two stacks of one name apart in a trust store.
    subject = _name(f"{name[:40]} {identifier.digest.hex()[:8]}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, SHA256())
    )
    return Pair(certificate, key)


def make_leaf(authority: Pair, hostnames: tuple[str, ...], lifetime: timedelta, now: datetime) -> Pair:
    """Make a server certificate for these names and addresses; it never outlives its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(hostnames[0][:64]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - BACKDATED, issuer.not_valid_before_utc))
        .not_valid_after(min(now + lifetime, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in hostnames]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_identifier(issuer), critical=False)
    )
    return Pair(builder.sign(authority.key, _digest(authority.key)), key)


def certificates_of(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, in its order.

    Raises:
        ValueError: it holds none, or one that does not parse.

    """
    return x509.load_pem_x509_certificates(pem)


def key_of(pem: bytes) -> Key:
    """Return the private key of a PEM file.

    Raises:
        ValueError: it holds no key that can sign certificates, or one that is encrypted.

    """
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ValueError("the key is encrypted; give one without a passphrase, readable by you alone") from error
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    kinds = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
    if not isinstance(key, kinds):
        raise ValueError("keys of this kind do not sign certificates")  # noqa: TRY004 - the file is wrong, not the call
    return key


def pem_of(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as PEM, in the order given."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(key: Key) -> bytes:
    """Return a private key as PEM, not encrypted: the file's mode protects it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def matches(certificate: x509.Certificate, key: Key) -> bool:
    """Tell whether a key is that of a certificate."""
    return certificate.public_key() == key.public_key()


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint, as tools show it: upper-case pairs with colons."""
    return certificate.fingerprint(SHA256()).hex(":").upper()


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Return the names and addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    dns = (name.lower() for name in names.get_values_for_type(x509.DNSName))
    return frozenset(dns) | {str(address) for address in names.get_values_for_type(x509.IPAddress)}


def covers(certificate: x509.Certificate, hostname: str) -> bool:
    """Tell whether a client that asks for this name or address accepts the certificate (RFC 9525, section 6.3)."""
    wanted = canonical(hostname)
    names = names_of(certificate)
    if wanted in names:
        return True
    label, _, parent = wanted.partition(".")
    return not is_address(wanted) and bool(label) and "." in parent and f"*.{parent}" in names


def may_sign_certificates(certificate: x509.Certificate) -> bool:
    """Tell whether clients accept certificates that this one has signed (RFC 5280, sections 4.2.1.3 and 4.2.1.9)."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and usage.key_cert_sign


def may_serve(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is for servers; one that does not say is."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return x509.oid.ExtendedKeyUsageOID.SERVER_AUTH in purposes


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether a certificate names this issuer and carries its signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_root(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate has signed itself."""
    return certificate.subject == certificate.issuer and is_signed_by(certificate, certificate)


def leads_to(chain: list[x509.Certificate], roots: list[x509.Certificate]) -> bool:
    """Tell whether each certificate is signed by the next, and the last by (or itself is) a root."""
    steps = all(is_signed_by(lower, upper) for lower, upper in pairwise(chain))
    return steps and any(chain[-1] == root or is_signed_by(chain[-1], root) for root in roots)


def is_address(hostname: str) -> bool:
    """Tell whether a hostname is an IP address."""
    try:
        ip_address(hostname)
    except ValueError:
        return False
    return True


def canonical(hostname: str) -> str:
    """Return a hostname as certificates carry it: ASCII and lower case, or the shortest form of an address.

    Raises:
        ValueError: it is no hostname.

    """
    if is_address(hostname):
        return str(ip_address(hostname))
    try:
        text = hostname.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError as error:
        raise ValueError(f"{hostname!r} is no hostname: {error}") from error
    labels = text.removeprefix("*.").split(".")
    if not all(label.replace("-", "").replace("_", "").isalnum() for label in labels):
        raise ValueError(f"{hostname!r} is no hostname")
    return text


def _general_name(hostname: str) -> x509.GeneralName:

    name = canonical(hostname)
    return x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name)


def _name(common_name: str) -> x509.Name:

    return x509.Name(
        [
            x509.NameAttribute(x509.oid.NameOID.ORGANIZATION_NAME, "Cloister"),
            x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Repeat the issuer's own key identifier, which need not be computed as ours is."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key = issuer.public_key()
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)  # type: ignore[arg-type]  # issuers sign
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _digest(key: Key) -> SHA256 | None:
    """Return the digest that a kind of key signs with: those of Edwards curves bring their own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else SHA256()
