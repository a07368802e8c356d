"""The signature: an in-toto statement about every file, in a DSSE envelope, signed with Ed25519.

securesystemslib, the library of TUF and in-toto, signs and verifies. DSSE authenticates neither the form of its JSON
nor the key's id, so an envelope is taken only if its bytes are those that this module writes.
https://github.com/secure-systems-lab/dsse/blob/v1.0.2/envelope.md
https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lifecycle.evidence.keys import key_id

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "urn:cloister:evidence:1"


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature says.

    Attributes:
        files: name -> SHA-256.
        said: of what, when, by which version.

    """

    files: dict[str, str]
    said: dict[str, Any]


class NotSignedError(ValueError):
    """The envelope is not what was signed, or not by this key; the message says which."""


def seal(contents: Mapping[str, bytes], said: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Return the envelope over files; Ed25519 is deterministic, so the same files give the same bytes.

    Args:
        contents: name -> content.
        said: of what, when, by which version.
        key: that signs.

    """
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - only where evidence is made or read
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # noqa: PLC0415 - as above; public, though not listed

    subjects = [
        {"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
        for name, content in sorted(contents.items())
    ]
    statement = {"_type": STATEMENT, "subject": subjects, "predicateType": PREDICATE, "predicate": dict(said)}
    envelope = Envelope(json.dumps(statement, sort_keys=True).encode(), PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key, _public(key.public_key())))
    return _encoded(envelope)


def unseal(raw: bytes, key: Ed25519PublicKey) -> Signed:
    """Return what an envelope says, if this key signed it.

    Raises:
        NotSignedError: it did not, or something was changed since.

    """
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - as above
    from securesystemslib.exceptions import Error  # noqa: PLC0415 - as above

    try:
        envelope = Envelope.from_dict(json.loads(raw))
        as_written = _encoded(envelope) == raw
        envelope.verify([_public(key)], 1)
        statement = json.loads(envelope.payload)
    except Error:
        raise NotSignedError(f"it is not signed by the key {key_id(key)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotSignedError(f"the envelope cannot be read: {type(error).__name__}") from None
    if not as_written or len(envelope.signatures) != 1 or envelope.payload_type != PAYLOAD_TYPE:
        raise NotSignedError("the envelope has been changed around its signature")
    if (statement.get("_type"), statement.get("predicateType")) != (STATEMENT, PREDICATE):
        raise NotSignedError("the key signed something else than evidence")
    return Signed(
        files={one["name"]: one["digest"]["sha256"] for one in statement["subject"]}, said=statement["predicate"]
    )


def _public(key: Ed25519PublicKey) -> Any:
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # noqa: PLC0415 - as above; public, though not listed

    return SSlibKey.from_crypto(key, key_id(key))


def _encoded(envelope: Any) -> bytes:
    return (json.dumps(envelope.to_dict(), indent=1, sort_keys=True) + "\n").encode()
