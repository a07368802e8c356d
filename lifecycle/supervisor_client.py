"""Talking to the stack's supervisor over its Unix socket."""

from __future__ import annotations

import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from lifecycle.marked import STACK_MARK, passed_on, stop_marked
from planner.errors import DeployError
from planner.layout import Layout
from templates.supervisor import socket_path

START_TIMEOUT_S = 10.0
BAD_NAME, ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED = 10, 60, 70, 90
"""Fault codes of supervisor.xmlrpc."""
DO_NOT_WAIT = False
"""The last argument of `startProcess` and `stopProcess`: answer at once."""


class Supervisor:
    """One stack's supervisor, whether it runs or not."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.configuration = Path(layout.config) / "supervisord.conf"

    def answers(self) -> bool:
        """Tell whether it runs."""
        return self._try("getState") is not None

    def start(self) -> None:
        """Start it, detached from this process and its terminal, and wait until it answers.

        Raises:
            DeployError: it does not answer in time.

        """
        if self.answers():
            return
        # What a dead supervisor left behind would run beside what this one starts.
        stop_marked(self.layout)
        Path(socket_path(self.layout)).unlink(missing_ok=True)
        subprocess.run(  # noqa: S603 - our own interpreter and our own file
            [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(self.configuration)],
            env={**passed_on(), STACK_MARK: self.layout.stack},
            cwd=self.layout.stack,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if time.monotonic() > deadline:
                raise DeployError(
                    "the supervisor of the services did not start",
                    hint=f"Its log, {self.layout.logs}/supervisor.log, says why; `deploy up` tries again.",
                    code="supervisor_not_started",
                )
            time.sleep(0.02)

    def reload(self) -> None:
        """Take up programs that were added to its configuration, and drop those that were removed."""
        added, changed, removed = self.call("reloadConfig")[0]
        for name in (*removed, *changed):
            self.call("stopProcessGroup", name)
            self.call("removeProcessGroup", name)
        for name in (*added, *changed):
            self.call("addProcessGroup", name, ignore=(ALREADY_ADDED,))

    def processes(self) -> dict[str, dict[str, Any]]:
        """Return what it knows of each program; nothing when it does not run."""
        return {entry["name"]: entry for entry in self._try("getAllProcessInfo") or ()}

    def call(self, method: str, *arguments: Any, ignore: tuple[int, ...] = ()) -> Any:
        """Call it.

        Raises:
            DeployError: it does not answer, or refuses.

        """
        try:
            with self._proxy() as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except Fault as fault:
            if fault.faultCode in ignore:
                return None
            raise DeployError(f"the supervisor refuses {method}: {fault.faultString}", code="supervisor") from None
        except (OSError, HTTPException) as error:
            raise DeployError(
                f"the supervisor of the services does not answer: {error}",
                hint="`deploy up` starts it again; `deploy down` takes the stack away without it.",
                code="supervisor",
            ) from None

    def _try(self, method: str) -> Any:
        try:
            return self.call(method)
        except DeployError:
            return None

    def _proxy(self) -> ServerProxy:
        transport = SupervisorTransport(None, None, f"unix://{socket_path(self.layout)}")
        return ServerProxy("http://127.0.0.1", transport)
