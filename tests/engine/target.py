"""`python -m tests.engine.target STACK OPERATIONS`: `up` on AWS, killed with its engine once so many have begun.

The plugin of the emulated account stands where pulumi-aws would be installed: the toolkit knows no difference.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil

from lifecycle import pulumi_events
from lifecycle.home import Home
from lifecycle.planning import Request
from lifecycle.pulumi_version import plugin_path
from lifecycle.up import up
from planner.progress import Progress, Silent
from sandbox.engine.changes import Event
from sandbox.provider import launcher


def install_plugin(home: Home) -> Path:
    """Put the emulated account's plugin where the real one is installed."""
    path = plugin_path(home.pulumi)
    path.parent.mkdir(parents=True)
    path.write_text(launcher.script())
    path.chmod(launcher.MODE)
    return path


if __name__ == "__main__":
    stack, operations = sys.argv[1:]
    begun: list[Event] = []

    def dying(_: Progress) -> object:
        def listen(event: Event) -> None:
            begun.append(event)
            if len(begun) == int(operations):
                for child in psutil.Process().children():
                    if child.name() == "pulumi":
                        child.kill()
                os.kill(os.getpid(), signal.SIGKILL)

        return listen

    pulumi_events.noting = dying  # type: ignore[assignment]  # dies where the real one would tell
    up(Home.of_user().stack(stack), Request(profile="2xh200", target="aws"), Silent())
