"""Saying what failed, what it means, and what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from planner.errors import DeployError
from sandbox.engine.state import StateFile


class ResourcesFailedError(DeployError):
    """Some resources could not be made, changed or deleted; the rest was.

    Attributes:
        failures: URN -> what was raised.
        skipped: how many resources were not tried, because they need one that failed.

    """

    code = "resource_failed"

    def __init__(self, message: str, *, hint: str, code: str, failures: Mapping[str, Exception], skipped: int) -> None:
        super().__init__(message, hint=hint, code=code)
        self.failures = failures
        self.skipped = skipped


def explain(failures: Mapping[str, Exception], skipped: Collection[str], state: StateFile) -> DeployError:
    """Return one error for all failures: the first in words, the others by name."""
    urn, error = next(iter(failures.items()))
    if isinstance(error, DeployError) and len(failures) == 1:
        return error
    more = f"; also failed: {', '.join(map(short, list(failures)[1:]))}" if len(failures) > 1 else ""
    waiting = f" {len(skipped)} resources that depend on it were not tried." if skipped else ""
    exist = sum(bool(record.id) for record in state.records().values())
    return ResourcesFailedError(
        f"{short(urn)} failed: {said(error)}{more}",
        hint=f"{exist} resources exist and are recorded.{waiting} `deploy up` goes on from here; "
        "`deploy down` takes them away.",
        code=code_of(error),
        failures=dict(failures),
        skipped=len(skipped),
    )


def short(urn: str) -> str:
    """Return type and name of a URN."""
    _, _, kind, name = urn.split("::", 3)
    return f"{kind.rsplit('$', 1)[-1]} {name!r}"


def said(error: Exception) -> str:
    """Return what the account said, with its code where it gave one."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        return f"{response['Error'].get('Code', '?')}: {response['Error'].get('Message', '')}"
    return f"{error}" or type(error).__name__


def code_of(error: Exception) -> str:
    """Return a stable code for scripts."""
    return error.code if isinstance(error, DeployError) else "resource_failed"
