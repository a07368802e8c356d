"""Wiring: the commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import contextlib
import errno
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from cli.outlet import Outlet
from planner.errors import DeployError, ExitCode, UsageError

if TYPE_CHECKING:
    from typer import Typer

NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""What the system says when the disk is full, read-only, or somebody else's."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    from cli.app import app

    # A terminal's reader does not leave; and Ctrl-C is lost while Python's `input` flushes what is not its own stream.
    outlet: Any = sys.stdout if sys.stdout.isatty() else Outlet(sys.stdout)
    with contextlib.redirect_stdout(outlet):
        return _run(app, arguments)


def _run(app: Typer, arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        code = int(app(args=arguments, prog_name="deploy", standalone_mode=False) or 0)
        # The parser turns Ctrl-C into this code and says nothing.
        return _report(_interrupted(), as_json=as_json) if code == ExitCode.INTERRUPTED else code
    except SystemExit as ended:
        # The parser leaves so when a pipe breaks. Our output's never does, so it is one of the command's own.
        return _report(_in_words(ended.__context__ or ended), as_json=as_json)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where everything becomes words
        return _report(_in_words(error), as_json=as_json)


def _in_words(error: BaseException) -> DeployError:
    """Return what a person is told: an expected failure as it is, anything else as what it must be."""
    if isinstance(error, DeployError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return _interrupted()
    if isinstance(error, OSError) and error.errno in NO_PLACE:
        return _no_place(error)
    return _from_parser(error) or _defect(error)


def _report(error: DeployError, *, as_json: bool) -> int:
    from cli.show import show_error

    show_error(error, as_json=as_json)
    return error.exit_code


def _no_place(error: OSError) -> DeployError:
    """Say that something cannot be written, wherever that was found out."""
    return DeployError(
        f"{error.filename or 'a file'} cannot be written: {error.strerror}",
        hint="Free space, or mend the folder's permissions, or set CLOISTER_HOME to another folder; then run the same "
        "command again: it goes on from here.",
        code="state_not_writable",
    )


def _interrupted() -> DeployError:
    error = DeployError(
        "interrupted",
        hint="Nothing is lost: run the same command again to go on, or `deploy down` to take the stack away.",
        code="interrupted",
    )
    error.exit_code = ExitCode.INTERRUPTED
    return error


def _from_parser(error: BaseException) -> DeployError | None:
    """Return what the command-line parser says, in our own words' shape; None for any other error."""
    import typer

    if isinstance(error, typer.Abort):
        return _interrupted()
    if not isinstance(error, typer.TyperException):
        return None
    command = getattr(getattr(error, "ctx", None), "command_path", "deploy")
    return UsageError(error.format_message(), hint=f"`{command} --help` shows what it takes.")


def _defect(error: BaseException) -> DeployError:
    """Say that this is our fault, keep the trace, and name the file."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="cloister-defect-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    return DeployError(
        f"unexpected {type(error).__name__}: {error}",
        hint=f"This is a defect of the toolkit. Its trace is in {file.name}; a report that holds it will help.",
        code="defect",
    )


if __name__ == "__main__":
    main()
