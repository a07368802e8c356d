"""A plan's services on a booted host: they come up, answer from outside, and only what changed is touched."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import files
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.playbook import Outcome, PlaybookError
from lifecycle.hosts.serving import materials_of, serve, stop_serving
from lifecycle.hosts.ssh import Login
from lifecycle.pki import ensure_certificate
from lifecycle.profiles import load_profile
from lifecycle.tokens import ensure_issuer, issue
from planner.catalogue import load_catalogue
from planner.host_commands import host_command
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan
from planner.profile import Profile
from planner.progress import Progress, Silent
from templates.hosts import HostAbilities, render_host, unit_of
from tests.hosts.image import OPERATOR
from tests.hosts.lab import Lab, Namespace
from tests.hosts.machine import Machine
from tests.hosts.runtime import place_runtime
from tests.templates.stacks import layout_below
from tests.waiting import wait_until

EXPOSURE = 2.0
"""The most that `systemd-analyze security` may say of a unit without a GPU."""
ASK = """
import http.client, json, ssl, sys
address, model, ca, token, path = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False  # the lab's names are in no DNS; the authority is checked
connection = http.client.HTTPSConnection(address, 443, context=context, timeout=10)
words = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
body = json.dumps(words) if "chat" in path else None
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
connection.request("POST" if body else "GET", path, body, headers)
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""
"""Asks the endpoint, with a namespace's network; the token goes by the command line of a test alone."""
CHAT = "/v1/chat/completions"
KNOCK = """
import http.client, signal, ssl, sys
address, ca, seconds = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False  # as above
ended = []
signal.signal(signal.SIGINT, lambda *_: ended.append(1))
while not ended:
    connection = http.client.HTTPSConnection(address, 443, context=context, timeout=float(seconds))
    try:
        connection.request("GET", "/v1/models")
        print(connection.getresponse().status, flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
    connection.close()
"""
"""Connects again and again, and says how each time went, until it is told to end."""


@pytest.fixture(scope="module")
def lab(can_boot: None) -> Iterator[Lab]:
    """One lab for all tests of this module: they share a host."""
    with Lab() as lab:
        yield lab


class Served:
    """A host, the plan that it runs, and how it came to that."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.machine = lab.host("bookworm", 0, 1)
        self.stranger: Namespace = lab.onlooker("stranger")
        self.elsewhere: Namespace = lab.onlooker("elsewhere", 1)
        self.folder = folder
        self.layout = layout_below(folder / "stack")
        self.abilities = HostAbilities(systemd=252)
        self.host = HostPlan(name=self.machine.name, interface="eth0", gpus=1)
        self.plan = self.planned()
        self.secret = secrets.token_urlsafe(32)
        place_runtime(self.machine)
        ensure_issuer(self.plan, self.layout)
        ensure_certificate(self.plan.tls, self.layout, datetime.now(UTC))
        files.write(Path(self.layout.secrets, "engine-api-key"), self.secret)
        self.preview = self.serve(check=True)
        self.before = self.machine.run("systemctl", "list-units", "cloister*", "--plain", "--no-legend").stdout
        began = time.monotonic()
        self.first = self.serve()
        self.first_s = time.monotonic() - began

    def planned(self, *, replicas: int = 1, stand_in: bool = True, **limits: Any) -> Plan:
        profile = load_profile("poc")
        profile = changed(profile, "hardware", replicas=replicas)
        profile = changed(profile, "engine", stand_in=stand_in)
        profile = changed(profile, "network", client_cidrs=("10.213.0.0/24", "fd42:c1:1::/64"))
        profile = changed(profile, "limits", **limits)
        return make_plan(profile, load_catalogue(), Site(stack="lab", target="metal", hosts=(self.host,)))

    def serve(
        self,
        plan: Plan | None = None,
        *,
        check: bool = False,
        progress: Progress | None = None,
        others: tuple[Machine, ...] = (),
    ) -> Outcome:
        plan = plan or self.plan
        return serve(
            plan,
            load_catalogue(),
            Inventory(host=(*map(at, others), *self.inventory.host)),
            self.login,
            abilities={host.name: self.abilities for host in plan.hosts},
            materials=materials_of(plan, self.layout),
            progress=progress or Silent(),
            check=check,
        )

    @property
    def inventory(self) -> Inventory:
        return Inventory(host=(at(self.machine),))

    @property
    def login(self) -> Login:
        pins = Pins(self.folder / "known_hosts")
        return Login(pins=pins, confirm=lambda host, shown: False, key_file=self.machine.key)

    def ask(self, path: str, address: str = "", token: str | None = None) -> tuple[int, str]:
        """Ask the endpoint from the onlooker's namespace."""
        if token is None:
            now = datetime.now(UTC)
            token = issue(self.plan, self.layout, client="t", ttl_s=300, scopes=("inference",), now=now).token
        words = (address or self.machine.v4, self.plan.model.served_name, f"{self.layout.tls}/ca.pem", token, path)
        done = self.stranger.run(sys.executable, "-I", "-c", ASK, *words)
        assert done.returncode == 0, done.stderr
        status, body = json.loads(done.stdout)
        return status, body

    def certificate(self) -> str:
        """Return the certificate that the endpoint shows."""
        words = (self.machine.v4, "443")
        code = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))"
        return self.stranger.run(sys.executable, "-I", "-c", code, *words).stdout.strip()

    @property
    def units(self) -> dict[str, str]:
        """Return the state of each service's unit."""
        names = [unit_of(service.name) for service in self.plan.services]
        said = self.machine.run("systemctl", "show", "--property=ActiveState", "--value", *names).stdout
        return dict(zip(names, said.split(), strict=True))

    def invocations(self) -> dict[str, str]:
        """Return what tells one start of a service from the next."""
        units = [unit_of(service.name) for service in self.plan.services]
        said = self.machine.run("systemctl", "show", "--property=Id,InvocationID", *units).stdout
        blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
        return {block["Id"]: block["InvocationID"] for block in blocks}

    def restarted(self, before: dict[str, str]) -> set[str]:
        """Return the services that were started anew since then."""
        now = self.invocations()
        return {name for name in before if before[name] != now.get(name)}


def at(machine: Machine) -> Host:
    return Host(name=machine.name, address=machine.v4, user=OPERATOR, host_key=machine.host_key)


def changed(profile: Profile, section: str, **values: Any) -> Profile:
    part = msgspec.structs.replace(getattr(profile, section), **values)
    return msgspec.structs.replace(profile, **{section: part})


@pytest.fixture(scope="module")
def served(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(lab, tmp_path_factory.mktemp("served"))


def test_a_dry_run_shows_everything_and_changes_nothing(served: Served) -> None:
    assert served.before == ""
    assert served.preview.changed == served.first.changed == 3
    shown = "".join(diff.text for diff in served.preview.diffs)
    assert "+ExecStart=" in shown
    assert served.secret not in shown
    assert "PRIVATE KEY" not in shown


def test_everything_runs_that_the_host_has(served: Served) -> None:
    lacking = {unit for unit, state in served.units.items() if state != "active"}
    programs = {"prometheus": "prometheus", "node-exporter": "prometheus-node-exporter"}
    binaries = served.machine.root / "usr/bin"
    assert lacking == {unit_of(name) for name, program in programs.items() if not (binaries / program).exists()}
    assert served.machine.run("systemctl", "is-enabled", "prometheus.service", check=False).stdout.strip() == "masked"


def test_it_answers_from_outside_with_a_token_alone(served: Served) -> None:
    for address in (served.machine.v4, served.machine.v6):
        status, body = served.ask(CHAT, address)
        assert (status, json.loads(body)["object"]) == (200, "chat.completion")
    assert served.ask(CHAT, token="nonsense")[0] == 401
    assert served.ask("/metrics")[0] == 404
    assert served.ask("/v1/models")[0] == 200


def test_traefik_alone_listens_and_on_its_interface_alone(served: Served) -> None:
    lines = served.machine.run(
        "ss", "-H", "--listening", "--tcp", "--udp", "--numeric", "--processes"
    ).stdout.splitlines()
    beyond = [line.split()[4:] for line in lines if not re.match(r"(127\.0\.0\.1|\[::1\]):", line.split()[4])]
    others = [(at, who) for at, _, who in beyond if not at.endswith(":22")]
    assert [at for at, _ in others] == ["*%eth0:443"]
    assert set(re.findall(r'"([^"]+)"', others[0][1])) == {"traefik", "systemd"}
    ports = {port.number for service in served.plan.services for port in service.ports}
    for address in (served.machine.v4, served.machine.v6):
        assert {port for port in ports if served.stranger.reaches(address, port, timeout_s=0.5)} == {443}
    second = served.elsewhere.v4.rsplit(".", 1)[0]
    ours = [
        line.split()[3].split("/")[0] for line in served.machine.run("ip", "-o", "-4", "address").stdout.splitlines()
    ]
    (there,) = [address for address in ours if address.startswith(second)]
    assert served.elsewhere.reaches(there, 22)
    assert not any(served.elsewhere.reaches(there, port, timeout_s=0.5) for port in ports)


def test_units_are_sound_and_shut_in(served: Served) -> None:
    units = list(served.units)
    paths = [f"/etc/systemd/system/{name}" for name in (*units, "cloister-traefik-https.socket", "cloister.target")]
    judged = served.machine.run("systemd-analyze", "verify", *paths, check=False).stderr.splitlines()
    assert [line for line in judged if "is not executable" not in line] == []
    exposures = {unit: exposure(served.machine, unit) for unit in units}
    assert max(exposures.values()) <= EXPOSURE, exposures


def test_units_of_gpus_and_of_a_newer_systemd_are_sound_as_well(lab: Lab, served: Served) -> None:
    """Nothing is run here: there is no GPU, and the test's environment is of another Python."""
    machine = lab.host("trixie")
    catalogue, plan = load_catalogue(), served.planned(stand_in=False)
    files = render_host(plan, catalogue, served.host, HostAbilities(systemd=257))
    programs = {host_command(service.artefact, catalogue)[0] for service in plan.services}
    for path, text in {**{file.path: file.text for file in files}, **dict.fromkeys(programs, "#!/bin/sh\n")}.items():
        at = machine.root / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
        at.chmod(0o755 if path in programs or "/lib/" in path else 0o644)
    machine.run("systemd-sysusers")
    machine.run("systemctl", "daemon-reload")
    sealed = machine.run("systemd-creds", "encrypt", "--tpm2-pcrs=", "--name=x", "-", "-", text="hush").stdout
    assert machine.run("systemd-creds", "decrypt", "--name=x", "-", "-", text=sealed).stdout == "hush"
    units = [file.path for file in files if file.path.startswith("/etc/systemd/system/")]
    judged = machine.run("systemd-analyze", "verify", *units, check=False)
    assert judged.stderr == ""
    exposed = {Path(unit).name: exposure(machine, Path(unit).name) for unit in units if unit.endswith(".service")}
    machine.kill()
    assert {name for name, found in exposed.items() if found > EXPOSURE} <= {unit_of("engine")}
    assert exposed[unit_of("engine")] < 3


def exposure(machine: Machine, unit: str) -> float:
    """Return what systemd thinks of a unit's sandbox, from 0 (closed) to 10 (open)."""
    said = machine.run("systemd-analyze", "security", "--no-pager", unit).stdout.splitlines()[-1]
    return float(said.split(":")[1].split()[0])


def test_a_secret_is_where_it_is_needed_and_nowhere_else(served: Served) -> None:
    secret, run = served.secret, served.machine.run
    assert secret not in run("systemctl", "show", *served.units).stdout
    assert secret not in run("sh", "-c", "cat /proc/[0-9]*/cmdline", check=False).stdout
    assert secret not in run("sh", "-c", "journalctl --output=cat").stdout
    assert run("grep", "-r", "--files-with-matches", secret, "/etc", "/var", "/usr/local", check=False).stdout == ""
    assert run("stat", "--format=%U %a", "/etc/cloister/credentials/engine-api-key").stdout.strip() == "root 600"
    assert run("stat", "--format=%U:%G %a", "/etc/cloister/tls/leaf.key").stdout.strip() == "root:cloister-traefik 640"
    engine = "http://127.0.0.1:8000/v1/models"
    ask = "import urllib.request as r; print(r.urlopen(r.Request({!r}, headers={!r})).status)"
    assert run("python3", "-c", ask.format(engine, {"Authorization": f"Bearer {secret}"})).stdout.strip() == "200"
    assert "401" in run("python3", "-c", ask.format(engine, {}), check=False).stderr


def test_a_second_run_changes_nothing_and_restarts_nothing(served: Served) -> None:
    before = served.invocations()
    assert served.serve(check=True).changed == 0
    assert served.serve().changed == 0
    assert served.restarted(before) == set()


def test_a_changed_limit_restarts_its_service_alone(served: Served) -> None:
    before, plan = served.invocations(), served.planned(max_body_mib=5)
    preview = served.serve(plan, check=True)
    assert any("+max_body_bytes = 5242880" in diff.text for diff in preview.diffs)
    assert served.restarted(before) == set()
    assert served.serve(plan).changed == preview.changed == 2
    assert served.restarted(before) == {unit_of("gateway")}
    assert served.ask(CHAT)[0] == 200
    served.plan = plan


def test_the_endpoint_moves_to_where_the_plan_says(served: Served) -> None:
    def listening() -> list[str]:
        return [line.split()[3] for line in served.machine.run("ss", "-Hlnt").stdout.splitlines() if ":443" in line]

    before = served.invocations()
    at_address = HostPlan(name=served.host.name, address=served.machine.v4, gpus=1)
    served.serve(msgspec.structs.replace(served.plan, hosts=(at_address,)))
    assert listening() == [f"{served.machine.v4}:443"]
    assert served.restarted(before) == {unit_of("traefik")}
    assert served.ask(CHAT)[0] == 200
    served.serve()
    assert listening() == ["*%eth0:443"]


def test_nobody_is_refused_while_the_edge_restarts(served: Served) -> None:
    words = (served.machine.v4, f"{served.layout.tls}/ca.pem", "60")
    with served.stranger.running(sys.executable, "-I", "-c", KNOCK, *words) as knocking:
        assert knocking.stdout is not None
        assert knocking.stdout.readline() == "401\n"  # it has begun
        for _ in range(2):
            served.machine.run("systemctl", "restart", unit_of("traefik"))
        knocking.send_signal(signal.SIGINT)
        answers = knocking.communicate(timeout=20)[0].split()
    assert answers.count("401") > 2
    # What the old one had taken may end with it, and until the new one has read its routes it shows a certificate that
    # nobody trusts; but systemd holds the port all the time.
    assert not set(answers) & {"ConnectionRefusedError", "TimeoutError"}


def test_a_new_key_of_the_engine_reaches_who_has_it(served: Served) -> None:
    before = served.invocations()
    served.secret = secrets.token_urlsafe(32)
    files.write(Path(served.layout.secrets, "engine-api-key"), served.secret)
    served.serve()
    assert served.restarted(before) == {unit_of("engine"), unit_of("gateway")}
    assert served.ask(CHAT)[0] == 200


def test_a_new_certificate_is_served_without_a_restart(served: Served) -> None:
    before, old = served.invocations(), served.certificate()
    Path(served.layout.tls, "leaf.pem").unlink()
    ensure_certificate(served.plan.tls, served.layout, datetime.now(UTC))
    assert served.serve().changed == 1
    new = Path(served.layout.tls, "leaf.pem").read_text().strip()
    assert new != old
    wait_until(lambda: served.certificate() == new, 10, 0.2)
    assert served.restarted(before) == set()


def test_an_older_systemd_is_given_its_credentials_as_they_are(served: Served) -> None:
    before, abilities = served.invocations(), served.abilities
    served.abilities = HostAbilities(systemd=249)
    served.serve()
    assert served.restarted(before) == {unit_of("engine"), unit_of("gateway")}
    assert served.machine.read("/etc/cloister/credentials/engine-api-key") == served.secret
    assert served.ask(CHAT)[0] == 200
    served.abilities = abilities
    served.serve()
    assert served.secret not in served.machine.read("/etc/cloister/credentials/engine-api-key")
    assert served.ask(CHAT)[0] == 200


class Interrupted(Silent):
    """Ctrl-C before the services are touched."""

    def step(self, title: str) -> contextlib.AbstractContextManager[None]:
        if "Run the services" in title:
            raise KeyboardInterrupt
        return super().step(title)


def test_a_run_that_was_cut_short_is_finished_by_the_next(served: Served) -> None:
    before, plan = served.invocations(), served.planned(max_body_mib=6)
    with pytest.raises(KeyboardInterrupt):
        served.serve(plan, progress=Interrupted())
    served.plan = plan
    assert served.serve().changed > 0
    assert served.restarted(before) == {unit_of("gateway")}
    assert served.serve().changed == 0


def test_what_does_not_come_up_is_named_with_its_words(served: Served) -> None:
    route = msgspec.structs.replace(served.plan.gateway.routes[0], path="no path")
    gateway = msgspec.structs.replace(served.plan.gateway, routes=(route,))
    with pytest.raises(PlaybookError, match=r"(?s)cloister-gateway\.service did not come up.*routes\[0\]"):
        served.serve(msgspec.structs.replace(served.plan, gateway=gateway))
    served.serve()
    assert served.ask(CHAT)[0] == 200


def test_a_service_that_dies_comes_back(served: Served) -> None:
    before = served.invocations()
    served.machine.run("systemctl", "kill", "--signal=KILL", unit_of("gateway"))
    wait_until(lambda: served.restarted(before) == {unit_of("gateway")}, 30, 0.2)
    wait_until(lambda: served.units[unit_of("gateway")] == "active", 30, 0.2)
    assert served.ask(CHAT)[0] == 200
    assert served.serve().changed == 0


def test_who_still_starts_is_waited_for(served: Served) -> None:
    unit = unit_of("engine")
    before = served.invocations()
    served.machine.run("systemctl", "restart", "--no-block", unit)
    wait_until(lambda: served.units[unit] == "activating", 10)
    started = served.invocations()[unit]
    assert started != before[unit]
    assert served.serve().changed == 0
    assert served.invocations()[unit] == started
    assert served.units[unit] == "active"


def test_the_first_host_that_fails_stops_the_rest(lab: Lab, served: Served) -> None:
    bare = lab.host("bookworm")
    keys = bare.root / "home" / OPERATOR / ".ssh/authorized_keys"
    keys.write_text(served.machine.key.with_suffix(".pub").read_text())
    first = HostPlan(name=bare.name, interface="eth0")
    plan = served.planned(max_body_mib=7)
    plan = msgspec.structs.replace(plan, hosts=(first, served.host))
    before = served.invocations()
    with pytest.raises(PlaybookError, match=rf"(?s){bare.name}.*did not come up"):
        served.serve(plan, others=(bare,))
    assert served.restarted(before) == set()
    assert "7340032" not in served.machine.read("/etc/cloister/gateway/gateway.toml")
    bare.kill()


def test_all_comes_back_by_itself_after_a_reboot(served: Served) -> None:
    states = served.units
    served.machine.reboot()
    wait_until(lambda: served.units == states, 60, 0.3)
    assert served.ask(CHAT)[0] == 200
    assert served.serve().changed == 0


def test_services_that_are_no_longer_wanted_go(served: Served) -> None:
    twice = served.planned(replicas=2)
    served.serve(twice)
    active = served.machine.run("systemctl", "list-units", "cloister-engine*", "--plain", "--no-legend", "--all").stdout
    assert {line.split()[0] for line in active.splitlines()} == {unit_of("engine-0"), unit_of("engine-1")}
    assert not (served.machine.root / "etc/systemd/system" / unit_of("engine")).exists()
    served.plan = twice
    assert served.ask(CHAT)[0] == 200
    assert served.serve().changed == 0


def test_taking_it_away_leaves_no_file_and_nothing_that_listens(served: Served) -> None:
    def stop() -> int:
        return stop_serving(load_catalogue(), served.inventory, served.login, Silent()).changed

    assert stop() > 0
    left = served.machine.run(
        "sh", "-c", "find /etc /usr/local /run/systemd /var/lib/cloister -path '*cloister*' ! -path '*/data*' ! -type d"
    ).stdout
    assert left == ""
    assert "443" not in served.machine.run("ss", "-Hlnt").stdout
    assert served.machine.run("systemctl", "list-units", "cloister*", "--plain", "--no-legend", "--all").stdout == ""
    assert stop() == 0
