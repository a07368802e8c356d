"""Waiting for the account: for a condition, with a bound, and for what still depends on something."""

from __future__ import annotations

import time
from collections.abc import Callable

from botocore.exceptions import ClientError

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0
PATIENCE_S = 60.0
"""How long to wait, where the caller does not say. The emulated account is through in a fraction of a second."""

_IN_USE = frozenset(
    {
        "DeleteConflict",
        "DependencyViolation",
        "ExistingVpcEndpointConnections",
        "InvalidGroup.InUse",
        "InvalidPlacementGroup.InUse",
        "ResourceInUse",
        "ScalingActivityInProgress",
    }
)
_GONE = frozenset(
    {
        "InvalidPlacementGroup.Unknown",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchHostedZone",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
    }
)


def code_of(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_gone(error: ClientError) -> bool:
    """Tell whether an error says that the resource does not exist."""
    code = code_of(error)
    return code in _GONE or "NotFound" in code


def unless_gone(remove: Callable[[], object]) -> None:
    """Remove something; being gone already is no error: an answer that was lost makes the SDK ask twice.

    Raises:
        ClientError: the account refused for another reason.

    """
    try:
        remove()
    except ClientError as error:
        if not is_gone(error):
            raise


def wait_until(holds: Callable[[], bool], what: str, within_s: float | None = None) -> None:
    """Return as soon as a condition holds.

    Args:
        holds: asked again and again, with growing pauses.
        what: the condition in words, for the error.
        within_s: bound in seconds; `PATIENCE_S` where none is given.

    Raises:
        TimeoutError: it did not come to hold in time.

    """
    within_s = PATIENCE_S if within_s is None else within_s
    deadline = time.monotonic() + within_s
    pause = FIRST_PAUSE_S
    while not holds():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {within_s:.0f} s, but still not: {what}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def remove_when_free(remove: Callable[[], object], what: str, within_s: float | None = None) -> None:
    """Remove something as soon as nothing depends on it any more; being gone already is no error.

    Args:
        remove: the call that removes it.
        what: names it in the error.
        within_s: bound in seconds; `PATIENCE_S` where none is given.

    Raises:
        ClientError: the account refused for another reason, or something still depends on it when time is up.

    """
    refusals: list[ClientError] = []

    def removed() -> bool:
        try:
            remove()
        except ClientError as error:
            if is_gone(error):
                return True
            if code_of(error) not in _IN_USE:
                raise
            refusals.append(error)
            return False
        return True

    try:
        wait_until(removed, f"{what} is free to be removed", within_s)
    except TimeoutError:
        raise refusals[-1] from None
