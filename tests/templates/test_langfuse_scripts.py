"""What starts Langfuse's databases, run with real ones: PostgreSQL, and Redis in the place of Valkey, its successor.

They are older than those that a profile would name. On a host they are in a container; here they are a user's programs.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from planner.layout import HOST_LAYOUT, Layout
from planner.plan import Plan
from templates.render import render
from tests.langfuse import langfuse_plan
from tests.parts import require
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

PASSWORD = "0123456789abcdef"
NOBODY = 65534


@pytest.fixture
def layout() -> Iterator[Layout]:
    """Folders of a user who is not root, as PostgreSQL wants it, with everybody's password in the credentials."""
    with tempfile.TemporaryDirectory() as folder:
        names = {name: f"{folder}/{name}" for name in ("config", "data", "secrets")}
        for path in names.values():
            Path(path).mkdir()
        for name in ("langfuse-postgres", "langfuse-valkey"):
            Path(names["secrets"], name).write_text(PASSWORD)
            Path(names["data"], name).mkdir()
        yield msgspec.structs.replace(HOST_LAYOUT, **names)


def on_free_ports(plan: Plan) -> Plan:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        free = {"langfuse-postgres": one.getsockname()[1], "langfuse-valkey": two.getsockname()[1]}
    services = [
        msgspec.structs.replace(one, ports=(msgspec.structs.replace(one.ports[0], number=free[one.name]),))
        if one.name in free
        else one
        for one in plan.services
    ]
    return msgspec.structs.replace(plan, services=tuple(services))


@contextmanager
def running(layout: Layout, service: str, programs: str) -> Iterator[int]:
    """Run a service's script as nobody would; yield its port once it takes connections, and the process's number."""
    plan = on_free_ports(langfuse_plan())
    script = Path(layout.config, "start.sh")
    script.write_text(render(plan, layout)[f"{service}/start.sh"])
    root = Path(layout.config).parent
    subprocess.run(["chown", "-R", str(NOBODY if os.geteuid() == 0 else os.geteuid()), root], check=True)
    become = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    port = plan.service(service).ports[0].number
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(root)}
    words = [*become, "sh", str(script)]
    with subprocess.Popen(
        words, env=environment, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as made:
        try:
            wait_until(lambda: answers(port), 60)
            heard = subprocess.run(
                ["ss", "-Hlnt", f"sport = :{port}"], capture_output=True, text=True, check=True
            ).stdout
            assert {line.split()[3] for line in heard.splitlines()} == {f"127.0.0.1:{port}"}
            assert PASSWORD not in Path(f"/proc/{made.pid}/cmdline").read_text()
            yield port
        finally:
            made.terminate()
            made.wait(30)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def asked(port: int, password: str, words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": password}
    command = ["psql", "--host=127.0.0.1", f"--port={port}", "--username=langfuse", "--no-psqlrc", "-At", "postgres"]
    said = subprocess.run([*command, "--command", words], capture_output=True, text=True, check=False, env=environment)
    return said.stdout.strip() or said.stderr


def test_postgres_is_made_once_asks_for_its_password_and_keeps_what_it_has(layout: Layout) -> None:
    require("psql")
    # Debian has the server's programs in a folder of their version.
    found = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None) or Path(require("initdb"))
    programs = str(found.resolve().parent)
    # A start that was interrupted.
    Path(layout.data, "langfuse-postgres", "database.new").mkdir()
    with running(layout, "langfuse-postgres", programs) as port:
        assert asked(port, PASSWORD, "show timezone") == "UTC"
        assert asked(port, PASSWORD, "show server_encoding") == "UTF8"
        assert "password authentication failed" in asked(port, "another", "show timezone")
        asked(port, PASSWORD, "create table kept (x int)")
    with running(layout, "langfuse-postgres", programs) as port:
        assert asked(port, PASSWORD, "select count(*) from kept") == "0"


def test_valkey_asks_for_its_password_and_throws_nothing_away(layout: Layout) -> None:
    # Debian's name of the one program that is server and checker alike.
    server = require("redis-check-rdb")
    programs = Path(layout.config).parent / "bin"
    programs.mkdir()
    (programs / "valkey-server").symlink_to(Path(server).resolve())
    with running(layout, "langfuse-valkey", str(programs)) as port:
        assert "NOAUTH" in told(port, "GET x")
        assert "WRONGPASS" in told(port, "AUTH another")
        assert "noeviction" in told(port, f"AUTH {PASSWORD}\r\nCONFIG GET maxmemory-policy")
        assert "768" in told(port, f"AUTH {PASSWORD}\r\nINFO memory").partition("maxmemory_human:")[2][:8]
        told(port, f"AUTH {PASSWORD}\r\nSET x kept")
    with running(layout, "langfuse-valkey", str(programs)) as port:
        assert "kept" in told(port, f"AUTH {PASSWORD}\r\nGET x")


def told(port: int, words: str) -> str:
    """Return what the server answers, QUIT being the last word."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection, connection.makefile("rb") as answers:
        connection.sendall(f"{words}\r\nQUIT\r\n".encode())
        return answers.read().decode()
