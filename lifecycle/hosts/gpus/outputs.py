"""What programs on a host printed, as the role `gpu_acceptance` brings it: one line per program."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

END = "end"


class OutputsError(ValueError):
    """The answer is not that of the role's script, or not all of it."""


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a program printed, errors among it."""

    name: str
    exit: int
    """127 where the host has no such program, 124 where it did not end in time."""
    sha256: str
    """Of `text` in UTF-8."""
    text: str

    @property
    def is_missing(self) -> bool:
        """Whether the host has no such program."""
        return self.exit == 127


def read_outputs(collected: str) -> dict[str, Output]:
    """Read lines of `name exit sha256 base64`, of which `end` is the last.

    Raises:
        OutputsError: a line is not of that form, does not fit its hash, or the last one is missing.

    """
    found: dict[str, Output] = {}
    for line in collected.splitlines():
        try:
            name, code, digest, encoded = line.split(" ", 3)
            content = base64.b64decode(encoded, validate=True)
            output = _output(name, int(code), content, digest)
        except (ValueError, binascii.Error) as error:
            raise OutputsError(f"line {line[:60]!r}: {error}") from None
        found[name] = output
    if END not in found:
        raise OutputsError("the answer is cut off")
    del found[END]
    return found


def _output(name: str, code: int, content: bytes, digest: str) -> Output:
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("its content is not what its hash says")
    text = content.decode("utf-8", "replace")
    return Output(name=name, exit=code, sha256=sha256_of(text), text=text)


def sha256_of(text: str) -> str:
    """Return the hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
