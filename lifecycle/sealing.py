"""Encryption of files that leave the machine: age (https://age-encryption.org/v1), with a passphrase or public keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyrage

from planner.errors import DeployError, UsageError

SHORTEST_PASSPHRASE = 12
"""Characters. A sealed file may lie anywhere for years, and whoever finds it may guess as long as they like."""

_HEADER = b"age-encryption.org/v1\n"
_PASSPHRASE_HEADER = _HEADER + b"-> scrypt "
_WRONG_KEY = frozenset({"No matching keys found", "Decryption failed"})
"""What the library says when the file is sound and the key is not the one."""


@dataclass(frozen=True)
class Passphrase:
    """What a person remembers or keeps in a safe; it seals and opens."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class Recipients:
    """Public keys, any of whose owners can open the file: `age1...`, `ssh-ed25519 ...` or `ssh-rsa ...`."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """A private key: the text of an age identity file, or of an SSH private key without a passphrase."""

    text: str = field(repr=False)


def seal(plain: bytes, lock: Passphrase | Recipients) -> bytes:
    """Encrypt.

    Raises:
        UsageError: the passphrase is too short, or a recipient is no public key.

    """
    if isinstance(lock, Passphrase):
        if len(lock.text) < SHORTEST_PASSPHRASE:
            raise UsageError(
                f"the passphrase is too short: at least {SHORTEST_PASSPHRASE} characters are needed",
                hint="Use several words, or a recipient's public key instead.",
                code="weak_passphrase",
            )
        return bytes(pyrage.passphrase.encrypt(plain, lock.text))
    if not lock.keys:
        raise UsageError("nobody could open the file", hint="Name a recipient.", code="bad_recipient")
    return bytes(pyrage.encrypt(plain, [_recipient(key.strip()) for key in lock.keys]))


def unseal(sealed: bytes, key: Passphrase | Identity) -> bytes:
    """Decrypt what `seal` made.

    Raises:
        UsageError: it was not sealed at all, or this key is not the one.
        DeployError: it was sealed, and has been cut off or changed since.

    """
    if not sealed.startswith(_HEADER):
        raise UsageError("this file was not made by `deploy backup`", hint="Check its path.", code="no_backup")
    if isinstance(key, Passphrase) is not sealed.startswith(_PASSPHRASE_HEADER):
        needed = "a private key" if isinstance(key, Passphrase) else "a passphrase"
        raise UsageError(f"this file opens with {needed}", hint=f"Give {needed}.", code="wrong_key")
    try:
        if isinstance(key, Passphrase):
            return bytes(pyrage.passphrase.decrypt(sealed, key.text))
        return bytes(pyrage.decrypt(sealed, _identities(key.text)))
    except pyrage.DecryptError as error:
        if str(error) not in _WRONG_KEY:
            raise DeployError(
                f"the file is cut off or was changed: {error}", hint="Use another copy of it.", code="backup_damaged"
            ) from error
        what = "passphrase" if isinstance(key, Passphrase) else "private key"
        raise UsageError(
            f"this {what} does not open the file", hint=f"Give the {what} that it was made for.", code="wrong_key"
        ) from error


def _recipient(text: str) -> Any:
    try:
        kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
        return kind.from_str(text)
    except pyrage.RecipientError as error:
        raise UsageError(
            f"{text[:24]!r} is no public key that a file can be sealed for: {error}",
            hint="Give an age recipient (age1...) or an SSH public key (ssh-ed25519 ... or ssh-rsa ...).",
            code="bad_recipient",
        ) from error


def _identities(text: str) -> list[Any]:
    try:
        if "PRIVATE KEY-----" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = (line.strip() for line in text.splitlines())
        return [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as error:
        raise UsageError(
            f"this is no private key that opens a file: {error}",
            hint="Give an age identity (AGE-SECRET-KEY-1...) or an SSH private key without a passphrase.",
            code="bad_identity",
        ) from error
