"""The keys that the built-in issuer signs with, and the key set that the gateway verifies with.

All keys that are still good stand in one private set, oldest first; the newest signs. Their public halves are the key
set for the gateway, so that tokens of an older key stay good while a newer one signs already. A key that has been
relieved carries the time at which it retires, in Unix seconds, as `exp`: the gateway takes no token of it from then on.
One that is published but does not sign yet stands before the one that signs, and retires at no time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwk
from joserfc.errors import JoseError

from lifecycle import files
from planner.errors import DeployError

Algorithm = Literal["EdDSA", "Ed25519"]
"""One algorithm under two names: that of RFC 8037, which every library knows, and that of RFC 9864."""


def load(path: Path) -> list[jwk.OKPKey]:
    """Return the signing keys, oldest first; none if there is no file yet.

    Raises:
        DeployError: the file cannot be read. It is not replaced: that would end every token.

    """
    try:
        return [jwk.OKPKey.import_key(key) for key in msgspec.json.decode(path.read_bytes())["keys"]]
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, JoseError, ValueError, KeyError, TypeError) as error:
        raise DeployError(
            f"the keys that sign tokens cannot be read: {path}: {error}",
            hint="Restore the stack from a backup; or delete the file and run `deploy up`, which ends every token.",
            code="keys_damaged",
        ) from error


def save(path: Path, public: Path, keys: list[jwk.OKPKey]) -> None:
    """Write the signing keys (0600) and the key set for the gateway.

    The key set comes first, so that no token is signed that the gateway could not verify.
    """
    publish(public, keys)
    files.write(path, _encode([key.as_dict(private=True) for key in keys]), files.PRIVATE)


def publish(path: Path, keys: list[jwk.OKPKey]) -> None:
    """Write the key set for the gateway, unless it is as it should be."""
    content = _encode([key.as_dict(private=False) for key in keys])
    if not path.exists() or path.read_bytes() != content:
        files.write(path, content, files.PUBLIC)


def make_key(algorithm: Algorithm) -> jwk.OKPKey:
    """Make an Ed25519 key, named by its RFC 7638 thumbprint."""
    key = jwk.OKPKey.import_key(Ed25519PrivateKey.generate(), {"use": "sig", "alg": algorithm})
    key.ensure_kid()
    return key


def relieved(keys: list[jwk.OKPKey], until: int) -> list[jwk.OKPKey]:
    """Return keys that retire at `until`, or earlier where that is settled already."""
    retiring: dict[str, Any] = {"exp": until}
    return [jwk.OKPKey.import_key({**retiring, **key.as_dict(private=True)}) for key in keys]


def waiting(keys: list[jwk.OKPKey]) -> jwk.OKPKey | None:
    """Return the key that is published, and is to sign next; None where there is none."""
    return next((key for key in keys[:-1] if retires_at(key) is None), None)


def in_service(keys: list[jwk.OKPKey], now: int) -> list[jwk.OKPKey]:
    """Return the keys that have not retired by `now`."""
    return [key for key in keys if (until := retires_at(key)) is None or now < until]


def retires_at(key: jwk.OKPKey) -> int | None:
    """Return when a key retires, in Unix seconds; None for the one that signs."""
    until: Any = key.get("exp")
    return None if until is None else int(until)


def _encode(keys: list[dict[str, Any]]) -> bytes:
    return msgspec.json.format(msgspec.json.encode({"keys": keys}), indent=2) + b"\n"
