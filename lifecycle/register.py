"""What the built-in issuer remembers: tokens that were issued and tokens that were revoked, and the lock on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import filelock
import msgspec

from lifecycle import files
from planner.errors import DeployError, LockedError
from planner.layout import Layout

KEPT_AFTER_EXPIRY = timedelta(days=30)
"""How long the register remembers a token that has expired."""

LOCK_TIMEOUT_S = 10.0

_Kind = TypeVar("_Kind", bound=msgspec.Struct)


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What the register knows of a token: everything but the token."""

    jti: str
    client: str
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Return whether the gateway still takes it."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else "active"


class Revocations(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway reads. Times are Unix seconds.

    Attributes:
        revoked: id of a token -> when it would have expired.
        clients: client -> every token issued to it until then is refused.

    """

    revoked: dict[str, int] = {}
    clients: dict[str, int] = {}


class _Register(msgspec.Struct, frozen=True, kw_only=True):
    tokens: tuple[Issued, ...] = ()


@dataclass(frozen=True)
class IssuerFiles:
    """Where the issuer keeps its files."""

    keys: Path
    key_set: Path
    revocations: Path
    register: Path

    @classmethod
    def of(cls, layout: Layout) -> IssuerFiles:
        """Return the files of a stack: keys among its secrets, the rest in a folder of their own."""
        folder = Path(layout.stack, "identity")
        return cls(
            keys=Path(layout.secrets, "token-keys.json"),
            key_set=folder / "jwks.json",
            revocations=folder / "revoked.json",
            register=folder / "tokens.json",
        )


@contextmanager
def locked(paths: IssuerFiles) -> Iterator[None]:
    """Hold the issuer's lock, so that two commands at once lose nothing of each other."""
    for folder in {paths.keys.parent, paths.register.parent}:
        files.make_private_folder(folder)
    lock = paths.register.with_suffix(".lock")
    try:
        with filelock.FileLock(lock, timeout=LOCK_TIMEOUT_S, mode=files.PRIVATE):
            yield
    except filelock.Timeout as error:
        raise LockedError(
            f"another command has been changing tokens for {LOCK_TIMEOUT_S:.0f} seconds",
            hint=f"Wait for it to end, then try again; the lock is {lock}.",
        ) from error


def read_register(paths: IssuerFiles) -> tuple[Issued, ...]:
    """Return what was issued, oldest first.

    Raises:
        DeployError: the file is damaged.

    """
    return _read(paths.register, _Register()).tokens


def write_register(paths: IssuerFiles, tokens: tuple[Issued, ...], now: datetime) -> None:
    """Write what was issued, without what expired long ago."""
    kept = tuple(token for token in tokens if token.expires_at + KEPT_AFTER_EXPIRY > now)
    _write(paths.register, _Register(tokens=kept), files.PRIVATE)


def read_revocations(paths: IssuerFiles) -> Revocations:
    """Return what was revoked.

    Raises:
        DeployError: the file is damaged.

    """
    return _read(paths.revocations, Revocations())


def _read(path: Path, empty: _Kind) -> _Kind:
    """Return what a file holds; `empty` when there is none.

    Raises:
        DeployError: it is damaged. It is not replaced: that would forget revocations.

    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=type(empty))
    except FileNotFoundError:
        return empty
    except (OSError, msgspec.DecodeError) as error:
        raise DeployError(
            f"a file of the token issuer cannot be read: {path}: {error}",
            hint="Restore the stack from a backup; or delete the file, then revoke all tokens.",
            code="register_damaged",
        ) from error


def _write(path: Path, content: msgspec.Struct, mode: int) -> None:
    files.write(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n", mode)


def write_revocations(paths: IssuerFiles, revocations: Revocations) -> None:
    """Write what was revoked, for the gateway to read."""
    _write(paths.revocations, revocations, files.PUBLIC)


def utc(seconds: int) -> datetime:
    """Return Unix seconds as a time with its zone."""
    return datetime.fromtimestamp(seconds, UTC)
