"""Services as processes: a real supervisor, and small programs in the services' places."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from lifecycle import files, processes
from lifecycle.health import is_healthy
from lifecycle.home import Home, StackHome
from lifecycle.marked import marked_processes, stop_marked
from lifecycle.processes import PortTakenError, Processes, ServiceState
from planner.errors import DeployError
from planner.plan import Health, Limits, Plan, Port, SecretRef, Service
from planner.progress import Silent
from policies import examples

SERVER = """
import http.server, json, os, resource, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {"environment": dict(os.environ), "folder": os.getcwd(),
                "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_):
        pass

print("begins", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
PROGRAMS = {
    "server": SERVER,
    "ends": "import sys; print('no licence'); print('giving up'); sys.exit(3)",
    "idle": "import time; time.sleep(600)",
}


def resolve(artefact: str) -> list[str] | None:
    return [sys.executable, "-c", PROGRAMS[artefact]] if artefact in PROGRAMS else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def server(name: str, **fields: Any) -> Service:
    number = fields.pop("number", 0) or free_port()
    settings = {
        "artefact": "server",
        "args": (str(number),),
        "health": Health(port="http", path="/health"),
        "ports": (Port(name="http", number=number, binding="loopback"),),
        **fields,
    }
    return Service(name=name, version="1", limits=Limits(memory_mib=512, open_files=321), **settings)


def program(name: str, artefact: str, **fields: Any) -> Service:
    return Service(name=name, artefact=artefact, version="1", args=(), limits=Limits(memory_mib=512), **fields)


def plan_of(*services: Service) -> Plan:
    return msgspec.structs.replace(
        examples.plan(), services=services, secrets=(SecretRef(name="key", purpose="a test's"),)
    )


Make = Callable[..., Processes]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[StackHome]:
    home = Home(tmp_path).stack("s")
    home.create()
    try:
        yield home
    finally:
        stop_marked(home.layout)
        shutil.rmtree(home.layout.run)
        assert marked_processes(home.layout) == ()


@pytest.fixture
def make(home: StackHome) -> Make:
    return lambda *services: Processes(plan_of(*services), home.layout, resolve, Silent())


def states(substrate: Processes) -> dict[str, ServiceState]:
    return {state.name: state for state in substrate.status()}


def pids(substrate: Processes) -> dict[str, int | None]:
    return {name: state.pid for name, state in states(substrate).items()}


def told_by(service: Service) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{service.ports[0].number}/health", timeout=5) as answer:
        return dict(json.load(answer))


def test_nothing_runs_before_it_is_started(make: Make) -> None:
    substrate = make(server("one"))
    assert {state.state for state in substrate.status()} == {"STOPPED"}
    assert substrate.processes() == ()
    assert substrate.stop(["one"]) == ()
    assert list(substrate.logs("one", 5)) == []


def test_a_needed_part_that_is_missing_stops_everything(make: Make) -> None:
    with pytest.raises(DeployError, match="teapot is not to be had") as error:
        make(program("one", "teapot")).start()
    assert error.value.code == "part_missing"


@pytest.mark.slow
def test_a_service_gets_what_it_is_to_have_and_no_more(
    make: Make, home: StackHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the caller's")
    files.write(Path(home.layout.secrets, "key"), "secret value\n")
    service = server("one", env={"PLACE": "{data}"}, secret_env={"KEY": "key"})
    substrate = make(service, program("absent", "teapot", optional=True))
    substrate.start()
    told = told_by(service)
    environment = told["environment"]
    assert environment["KEY"] == "secret value"
    assert environment["PLACE"] == told["folder"] == f"{home.layout.data}/one"
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert told["open_files"] == 321
    (pid,) = [process.pid for process in substrate.processes() if process.name == "one"]
    assert "secret value" not in " ".join(psutil.Process(pid).cmdline())
    rendered = [path for path in Path(home.layout.config).rglob("*") if path.is_file()]
    assert rendered
    assert all("secret value" not in path.read_text() for path in rendered)
    assert list(substrate.logs("one", 5)) == ["begins"]
    seen = states(substrate)
    assert seen["one"].state == "RUNNING"
    assert seen["one"].url == f"http://127.0.0.1:{service.ports[0].number}"
    assert seen["absent"] == ServiceState(name="absent", state="STOPPED", url=None, pid=None, uptime_s=0)


@pytest.mark.slow
def test_only_what_changed_is_restarted(make: Make, home: StackHome) -> None:
    secret = Path(home.layout.secrets, "key")
    files.write(secret, "first")
    one, two = server("one", secret_env={"KEY": "key"}), server("two", after=("one",))
    substrate = make(one, two)
    substrate.start()
    first = pids(substrate)
    substrate.start()
    assert pids(substrate) == first
    watched = files.make_private_folder(Path(home.layout.config, "two", "dynamic")) / "routes.yml"
    watched.write_text("watched by the service itself")
    substrate.start()
    assert pids(substrate) == first
    Path(home.layout.config, "two", "fixed.yml").write_text("read at start")
    substrate.start()
    second = pids(substrate)
    assert (second["one"], second["two"] != first["two"]) == (first["one"], True)
    files.write(secret, "second")
    substrate.start()
    third = pids(substrate)
    assert (third["one"] != second["one"], third["two"]) == (True, second["two"])
    assert told_by(one)["environment"]["KEY"] == "second"
    changed = make(one, msgspec.structs.replace(two, env={"MORE": "1"}))
    changed.start()
    assert pids(changed)["one"] == third["one"]
    assert told_by(two)["environment"]["MORE"] == "1"


@pytest.mark.slow
def test_what_comes_after_another_starts_when_that_is_healthy(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = server("zeta"), server("alpha", after=("zeta",))
    launched: list[tuple[str, bool]] = []
    launch = Processes._launch

    def noted(substrate: Processes, service: Service) -> None:
        launched.append((service.name, is_healthy(first)))
        launch(substrate, service)

    monkeypatch.setattr(Processes, "_launch", noted)
    make(second, first).start()
    assert launched == [("zeta", False), ("alpha", True)]


@pytest.mark.slow
def test_one_that_ends_at_once_tells_its_last_words(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE_S", 0.2)
    with pytest.raises(DeployError, match="one ends as soon as it starts") as error:
        make(program("one", "ends")).start()
    assert "no licence\n    giving up" in error.value.message
    assert "deploy logs one" in error.value.hint


@pytest.mark.slow
def test_one_that_never_gets_healthy_is_given_up(make: Make) -> None:
    sick = server("one", health=Health(port="http", path="/elsewhere", timeout_s=1.5))
    with pytest.raises(DeployError, match="did not become healthy in time"):
        make(sick).start()


@pytest.mark.slow
def test_a_port_that_somebody_else_has_is_named(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        substrate = make(server("one", number=number))
        with pytest.raises(PortTakenError) as error:
            substrate.start()
    assert (error.value.service, error.value.port) == ("one", number)
    substrate.start()
    assert states(substrate)["one"].state == "RUNNING"


@pytest.mark.slow
def test_what_a_dead_supervisor_left_gives_way(make: Make, home: StackHome) -> None:
    substrate = make(server("one"), program("two", "idle"))
    substrate.start()
    before = {process.name: process.pid for process in substrate.processes()}
    os.kill(before["supervisor"], signal.SIGKILL)
    psutil.wait_procs([psutil.Process(before["supervisor"])], timeout=5)
    assert {state.state for state in substrate.status()} == {"STOPPED"}
    substrate.start()
    after = {process.name: process.pid for process in substrate.processes()}
    assert sorted(after) == sorted(before) == ["one", "supervisor", "two"]
    assert not set(after.values()) & set(before.values())


@pytest.mark.slow
@pytest.mark.parametrize("supervised", [True, False])
def test_stop_ends_what_is_named_and_nothing_else(make: Make, supervised: bool) -> None:
    substrate = make(server("one"), program("two", "idle"))
    substrate.start()
    if not supervised:
        (pid,) = [process.pid for process in substrate.processes() if process.name == "supervisor"]
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)], timeout=5)
    (ended,) = substrate.stop(["one"])
    assert ended.name == "one"
    assert not psutil.pid_exists(ended.pid)
    left = {process.name for process in substrate.processes()}
    assert left == ({"two", "supervisor"} if supervised else {"two"})
    assert substrate.stop(["one"]) == ()


@pytest.mark.slow
def test_a_service_that_leaves_the_plan_is_stopped(make: Make) -> None:
    one = server("one")
    make(one, program("two", "idle")).start()
    smaller = make(one)
    smaller.start()
    deadline = time.monotonic() + 5
    while {process.name for process in smaller.processes()} != {"one", "supervisor"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_service_without_a_path_is_healthy_once_its_port_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.getsockname()[1]
        port = Port(name="sql", number=number, binding="loopback")
        health = Health(port="sql", path="", scheme="tcp")
        service = msgspec.structs.replace(server("one"), ports=(port,), health=health)
        assert is_healthy(service)
    assert not is_healthy(service)
