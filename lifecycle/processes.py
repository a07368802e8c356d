"""The substrate `processes`: the services of a plan as processes of this machine, under a supervisor."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from lifecycle import files, launch
from lifecycle.health import is_healthy
from lifecycle.log_files import last_lines, read_lines
from lifecycle.marked import SERVICE_MARK, STACK_MARK, ProcessInfo, marked_processes, passed_on, stop_marked
from lifecycle.ports import is_free
from lifecycle.supervisor_client import ALREADY_STARTED, DO_NOT_WAIT, NOT_RUNNING, Supervisor
from planner.errors import DeployError
from planner.layout import Layout
from planner.plan import Plan, Service
from planner.progress import Progress
from templates.supervisor import Program, render_supervisor

Resolve = Callable[[str], list[str] | None]
HOT = ("dynamic",)
"""Rendered files and folders that their service watches: a change needs no restart."""
STARTED_WITHIN_S = 10.0
"""How long a service without a health path may take to run."""
PATIENCE_S = 4.0
"""How long a service that ends at once is tried again while somebody waits for it; the supervisor goes on trying."""
ENDED = {"BACKOFF", "EXITED", "FATAL"}


class PortTakenError(DeployError):
    """Another program took a service's port between choice and bind."""

    code = "port_taken"

    def __init__(self, service: str, port: int) -> None:
        super().__init__(
            f"port {port} of {service} is taken by another program",
            hint="`deploy up` again chooses another.",
        )
        self.service = service
        self.port = port


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """A service as it is now. `state`: RUNNING, STARTING, BACKOFF, STOPPED, EXITED or FATAL."""

    name: str
    state: str
    url: str | None
    pid: int | None
    uptime_s: int


class Processes:
    """The services of one stack."""

    def __init__(self, plan: Plan, layout: Layout, resolve: Resolve, progress: Progress) -> None:
        self.plan = plan
        self.layout = layout
        self.resolve = resolve
        self.progress = progress
        self.supervisor = Supervisor(layout)

    def start(self, names: Sequence[str] | None = None) -> None:
        """Start services that do not run, restart those whose configuration changed, and wait until all are healthy.

        Raises:
            PortTakenError: another program has one of their ports.
            DeployError: one does not become healthy; the message holds its last words.

        """
        wanted = [
            service
            for service in self.plan.services
            if (names is None or service.name in names) and self.resolve(service.artefact) is not None
        ]
        self._write_configuration()
        self.supervisor.start()
        self.supervisor.reload()
        waiting = {service.name: service for service in wanted}
        began: dict[str, float] = {}
        while waiting:
            for service in list(waiting.values()):
                if service.name not in began and not set(service.after) & set(waiting):
                    self._launch(service)
                    began[service.name] = time.monotonic()
            known = self.supervisor.processes()
            for name in [name for name in waiting if name in began]:
                if self._is_ready(waiting[name], known[name], began[name]):
                    del waiting[name]
            if waiting:
                time.sleep(0.03)

    def status(self) -> tuple[ServiceState, ...]:
        """Return the state of every service of the plan."""
        known = self.supervisor.processes()
        return tuple(self._state(service, known.get(service.name, {})) for service in self.plan.services)

    def stop(self, names: Sequence[str]) -> tuple[ProcessInfo, ...]:
        """Stop services, with the supervisor or without; return the processes that were ended."""
        there = tuple(process for process in marked_processes(self.layout) if process.name in names)
        known = self.supervisor.processes()
        for name in names:
            if name in known:
                self.supervisor.call("stopProcess", name, DO_NOT_WAIT, ignore=(NOT_RUNNING,))
        deadline = time.monotonic() + 3
        while known and time.monotonic() < deadline:
            states = {name: info["statename"] for name, info in self.supervisor.processes().items() if name in names}
            if not set(states.values()) & {"STOPPING", "RUNNING", "STARTING"}:
                break
            time.sleep(0.03)
        stop_marked(self.layout, names)
        return there

    def processes(self) -> tuple[ProcessInfo, ...]:
        """Return every living process of the stack."""
        return marked_processes(self.layout)

    def logs(self, name: str, lines: int, *, follow: bool = False) -> Iterator[str]:
        """Yield the last lines of a service's log, and with `follow` those that come."""
        yield from read_lines(self._log(name), lines, follow=follow)

    def _launch(self, service: Service) -> None:
        """Start a service, or restart it when it runs with an older configuration."""
        state = self.supervisor.processes()[service.name]["statename"]
        digest, started = self._digest(service), self._spec(service.name).with_suffix(".started")
        if state in {"RUNNING", "STARTING"}:
            if started.is_file() and started.read_text() == digest:
                return
            self.supervisor.call("stopProcess", service.name, ignore=(NOT_RUNNING,))
        for port in service.ports:
            if not is_free(port.number):
                stop_marked(self.layout, [service.name])  # one of ours that a dead supervisor left behind
                if not is_free(port.number):
                    raise PortTakenError(service.name, port.number)
        files.write(started, digest)
        self.supervisor.call("startProcess", service.name, DO_NOT_WAIT, ignore=(ALREADY_STARTED,))

    def _is_ready(self, service: Service, known: dict[str, object], began: float) -> bool:
        """Tell whether a service is up; raise when it never will be."""
        state = str(known["statename"])
        if state == "RUNNING" and (service.health is None or is_healthy(service)):
            return True
        if state in ENDED:
            for port in service.ports:
                if not is_free(port.number):
                    raise PortTakenError(service.name, port.number)
            if state != "BACKOFF" or time.monotonic() > began + PATIENCE_S:
                raise self._failed(service, "ends as soon as it starts")
        if time.monotonic() > began + (service.health.timeout_s if service.health else STARTED_WITHIN_S):
            raise self._failed(service, "did not become healthy in time")
        return False

    def _failed(self, service: Service, how: str) -> DeployError:
        words = last_lines(self._log(service.name), 5)
        said = "; its last words:\n    " + "\n    ".join(words) if words else ", and said nothing"
        return DeployError(
            f"{service.name} {how}{said}",
            hint=f"`deploy logs {service.name}` shows more; `deploy up` tries again.",
            code="service_failed",
        )

    def _state(self, service: Service, known: dict[str, object]) -> ServiceState:
        state, pid = str(known.get("statename", "STOPPED")), int(str(known.get("pid", 0))) or None
        began = int(str(known.get("start", 0)))
        url = f"{_scheme(service)}://127.0.0.1:{service.ports[0].number}" if service.ports else None
        uptime = max(0, int(time.time()) - began) if pid else 0
        return ServiceState(name=service.name, state=state, url=url, pid=pid, uptime_s=uptime)

    def _write_configuration(self) -> None:
        """Write the supervisor's configuration, and how each service is launched."""
        programs = []
        for service in self.plan.services:
            command = self.resolve(service.artefact)
            if command is None:
                if service.optional:
                    continue
                raise DeployError(
                    f"{service.artefact} is not to be had on this machine",
                    hint="`deploy doctor` says what is missing, and how to get it.",
                    code="part_missing",
                )
            spec = self._spec(service.name)
            files.make_private_folder(spec.parent)
            files.make_private_folder(Path(self.layout.data, service.name))
            _write_if_changed(spec, json.dumps(self._specification(service, command), indent=1))
            launcher = (sys.executable, "-I", "-S", launch.__file__, str(spec))
            programs.append(Program(name=service.name, argv=launcher))
        _write_if_changed(self.supervisor.configuration, render_supervisor(programs, self.layout))

    def _specification(self, service: Service, command: list[str]) -> dict[str, object]:
        def expand(text: str) -> str:
            return self.layout.expand(service.name, text)

        marks = {STACK_MARK: self.layout.stack, SERVICE_MARK: service.name}
        return {
            "argv": [*command, *map(expand, service.args)],
            "env": {**passed_on(), **{name: expand(value) for name, value in service.env.items()}, **marks},
            "secret_env": {name: f"{self.layout.secrets}/{secret}" for name, secret in service.secret_env.items()},
            "memory_bytes": service.limits.memory_mib * 2**20,
            "open_files": service.limits.open_files,
            "folder": str(Path(self.layout.data, service.name)),
        }

    def _digest(self, service: Service) -> str:
        """Return a hash of all that a running service was started with and does not watch by itself."""
        digest = hashlib.sha256(self._spec(service.name).read_bytes())
        folder = Path(self.layout.config, service.name)
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_file() and not set(parts) & set(HOT):
                digest.update("/".join(parts).encode() + b"\0" + path.read_bytes())
        for secret in service.secret_env.values():
            digest.update(Path(self.layout.secrets, secret).read_bytes())
        return digest.hexdigest()

    def _spec(self, name: str) -> Path:
        return Path(self.layout.config, "processes", f"{name}.json")

    def _log(self, name: str) -> Path:
        return Path(self.layout.logs, f"{name}.log")


def _scheme(service: Service) -> str:
    return "https" if service.ports[0].binding == "published" else "http"


def _write_if_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        files.write(path, text)
