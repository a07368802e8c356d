"""Running Pulumi's own executable."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error

from lifecycle.pulumi_version import find_cli

BACKEND_VARIABLE = "PULUMI_BACKEND_URL"


class Cli(PulumiCommand):
    """Runs the CLI with an environment of our own making, and lets it come to an orderly end when it is interrupted."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Find the CLI.

        Args:
            environment: all of it; nothing of this process's own is added.

        Raises:
            DeployError: there is none that fits.

        """
        self.command, self.version = find_cli(environment)
        self.environment = environment

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """Run a command to its end. Ctrl-C is passed on: once, it ends in order; twice, at once.

        Raises:
            CommandError: it failed.
            KeyboardInterrupt: it was interrupted, and has ended.

        """
        command = [self.command, "--non-interactive", *args, *_ADDED.get(args[0], ())]
        environment = {**additional_env, **self.environment, "PULUMI_AUTOMATION_API": "true"}
        with _interrupts() as interrupts:
            process = subprocess.Popen(  # noqa: S603 - the CLI that was found, with the Automation API's words
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                start_new_session=True,  # or a terminal's Ctrl-C would reach it a second time
            )
            interrupts.pass_on_to(process)
            output, errors = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
            process.wait()
        result = CommandResult(stdout=output.text(), stderr=errors.text(), code=process.returncode)
        if interrupts.came:
            raise KeyboardInterrupt
        if result.code != 0:
            raise create_command_error(result)
        return result


_ADDED: Mapping[str, Iterable[str]] = {"preview": ("--show-sames",)}
"""Words that the Automation API has no parameters for: a preview tells of what stays the same, too."""


class _Interrupts:
    """Passes Ctrl-C on to a process."""

    def __init__(self) -> None:
        self.came = 0
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, *_: object) -> None:
        """Take one signal."""
        self.came += 1
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def pass_on_to(self, process: subprocess.Popen[str]) -> None:
        """Name the process, and pass on what came before it was there."""
        self._process = process
        if self.came:
            process.send_signal(signal.SIGINT)


@contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    """Take Ctrl-C as long as the block lasts; outside the main thread it is not ours to take."""
    taken = _Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield taken
        return
    before = signal.signal(signal.SIGINT, taken)
    try:
        yield taken
    finally:
        signal.signal(signal.SIGINT, before)


class _Reader:
    """Reads a stream to its end in a thread of its own."""

    def __init__(self, stream: IO[str] | None, told: Callable[[str], Any] | None) -> None:
        assert stream is not None  # noqa: S101 - it was asked for as a pipe
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(stream, told), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str], told: Callable[[str], Any] | None) -> None:
        with stream:
            for line in stream:
                self._lines.append(line.rstrip())
                if told is not None:
                    told(self._lines[-1])

    def text(self) -> str:
        """Return all of it, once it has ended; processes that outlive the CLI may hold it open, and are not awaited."""
        self._thread.join(timeout=5)
        return "\n".join(self._lines)


def environment_of(
    given: Mapping[str, str], *, home: Path, backend: str, passphrase: Path, path: Iterable[Path], plugins_of_path: bool
) -> dict[str, str]:
    """Return the CLI's environment: a person's own Pulumi settings have no say in a stack of this toolkit.

    Args:
        given: where PATH, proxies and cloud credentials come from.
        home: plugins and workspaces.
        backend: URL of the state.
        passphrase: file that holds it; it is on no command line and in no variable.
        path: folders that come first in PATH.
        plugins_of_path: a provider plugin on PATH is taken; otherwise only installed ones are.

    """
    own = {
        "PULUMI_HOME": str(home),
        BACKEND_VARIABLE: backend,
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",  # what is missing is said, never fetched silently
        "PATH": ":".join([*map(str, path), given.get("PATH", "")]),
    }
    if not plugins_of_path:
        own["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    return {name: value for name, value in given.items() if not name.startswith("PULUMI_")} | own
