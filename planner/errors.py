"""Errors that say what happened and what to do next, and the exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The one list of exit codes. Scripts may rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    POLICY_REFUSED = 3
    NOT_PRIVATE = 4
    LEFTOVERS = 5
    LOCKED = 6
    DRIFTED = 7
    INTERRUPTED = 130


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "the command failed; the message says what happened and what to do next",
    ExitCode.USAGE: "the command line, a profile or a configuration file is wrong; nothing was changed",
    ExitCode.POLICY_REFUSED: "a mandatory policy is violated; nothing was created",
    ExitCode.NOT_PRIVATE: "`verify` found a check that does not hold: the stack is not as private as planned",
    ExitCode.LEFTOVERS: "`down` or `sweep` could not prove that nothing is left",
    ExitCode.LOCKED: "another verb holds the stack's lock",
    ExitCode.DRIFTED: "`drift` found something that was changed, deleted or added by hand",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C; run the same command again to resume, or `deploy down`",
}


class DeployError(Exception):
    """An expected failure, told to a person.

    Args:
        message: what happened, in one sentence.
        hint: what to do next; empty only when nothing can be done.
        code: stable identifier for scripts (`error.code` in `--json`).
        details: more lines for a person, for example a policy's card.

    """

    code = "failed"
    exit_code = ExitCode.FAILED

    def __init__(
        self, message: str, *, hint: str = "", code: str | None = None, details: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        if code is not None:
            self.code = code


class UsageError(DeployError):
    """The caller's words or files are wrong; nothing was changed."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ProfileError(UsageError):
    """A profile does not parse or does not fit the schema; the message names file, line and field."""

    code = "profile_invalid"


class PlanError(UsageError):
    """The profile is well formed but cannot be planned (for example, the model does not fit)."""

    code = "cannot_plan"


class PolicyRefusedError(DeployError):
    """A mandatory policy is violated; nothing was created."""

    code = "policy_refused"
    exit_code = ExitCode.POLICY_REFUSED


class NotPrivateError(DeployError):
    """A check of `verify` does not hold."""

    code = "not_private"
    exit_code = ExitCode.NOT_PRIVATE


class LeftoversError(DeployError):
    """`down` or `sweep` found something that is still there."""

    code = "leftovers"
    exit_code = ExitCode.LEFTOVERS


class LockedError(DeployError):
    """Another verb holds the stack's lock."""

    code = "locked"
    exit_code = ExitCode.LOCKED
