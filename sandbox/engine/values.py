"""Properties as the wire has them, and as plain values."""

from __future__ import annotations

from typing import Any

from planner.errors import DeployError
from planner.resources import UNKNOWN

# pulumi.runtime.rpc: _special_sig_key, _special_secret_sig, UNKNOWN
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of a secret, not one
WIRE_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class SecretInProgramError(DeployError):
    """A program holds a secret's value."""

    code = "secret_in_program"


def plain(value: Any) -> Any:
    """Return a deserialized property as JSON, with UNKNOWN for what is decided later.

    Raises:
        SecretInProgramError: a secret's value belongs neither in a program nor in its state.

    """
    if isinstance(value, dict):
        if SIGNATURE in value:
            if value[SIGNATURE] == SECRET:
                raise SecretInProgramError("the program holds a secret's value", hint="Name the secret instead.")
            raise DeployError("assets and resource references are not supported by this engine", code="unsupported")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return UNKNOWN  # pulumi.output.Unknown, which a dry run gives


def wire(value: Any) -> Any:
    """Return a plain value as the SDK serializes it."""
    if value is UNKNOWN:
        return WIRE_UNKNOWN
    if isinstance(value, dict):
        return {key: wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    return value


def known(value: Any) -> bool:
    """Tell whether nothing in a value is decided later."""
    if isinstance(value, dict):
        return all(known(item) for item in value.values())
    if isinstance(value, list):
        return all(known(item) for item in value)
    return value is not UNKNOWN
