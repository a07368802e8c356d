"""The key that signs evidence: Ed25519, made for a home at its first use, or one that somebody names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from lifecycle import files
from lifecycle.home import Home
from planner.errors import UsageError

MAX_BYTES = 16 * 1024
"""No file of a key is larger."""
MAKE_ONE = "`openssl genpkey -algorithm ed25519 -out FILE` makes one."


def key_of_home(home: Home) -> Ed25519PrivateKey:
    """Return the key of a home; the first time it is made, readable by its owner alone.

    Raises:
        UsageError: there is one, and it cannot be read; it is not replaced.

    """
    path = home_key(home)
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        files.make_private_folder(path.parent)
        files.write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), files.PRIVATE)
        files.write(path.with_name("public-key.pem"), public_pem(key.public_key()), files.PUBLIC)
    return read_private(path)


def home_key(home: Home) -> Path:
    """Return where a home's key is; its public half lies beside it as `public-key.pem`."""
    return home.root / "evidence" / "signing-key.pem"


def read_private(path: Path) -> Ed25519PrivateKey:
    """Return the private key of a PEM file.

    Raises:
        UsageError: it cannot be read, is open to others, or holds no Ed25519 key.

    """
    key = _read(path, lambda text: load_pem_private_key(text, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "it holds no Ed25519 private key")
    if path.stat().st_mode & 0o077:
        raise UsageError(
            f"{path} can be read by others: whoever has the key signs in your name",
            hint=f"`chmod 600 {path}`, or make another where somebody may have read it.",
            code="key_open_to_others",
        )
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """Return the public key of a PEM file.

    Raises:
        UsageError: it cannot be read, or holds no Ed25519 public key.

    """
    key = _read(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "it holds no Ed25519 public key")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the key's fingerprint: SHA-256 of its DER, as `openssl pkey -pubin -outform DER | sha256sum` prints it."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _read(path: Path, load: Callable[[bytes], object]) -> object:
    try:
        return load(files.read_text(path, MAX_BYTES).encode())
    except OSError as error:
        raise _no_key(path, f"it cannot be read: {error.strerror}") from None
    except TypeError:
        raise _no_key(path, "it is encrypted; give one without a passphrase, readable by you alone") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, f"it does not parse: {type(error).__name__}") from None


def _no_key(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} is no key for evidence: {why}", hint=MAKE_ONE, code="bad_key")
