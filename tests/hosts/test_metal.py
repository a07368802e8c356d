"""`deploy up --target metal` and its fellows on a booted host, through the command line, as their user runs them.

The tests share a host and follow its life, from the first `up`, which is killed, to the second `down`.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest

from tests.hosts.clock import clock_of
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.runtime import place_runtime
from tests.hosts.tls_grade import LEFT_TO_TLS_AUDITORS, Graded, graded
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("hosts")]

UNITS = ("engine", "gateway", "traefik")
OPTIONAL = ("service.prometheus", "service.node-exporter")
NOT_TRIED = {"engine.real", *(f"host.cl-h.{name}" for name in (*OPTIONAL, "time_sync"))}
"""The engine is imitated, what no bundle brought is not there, and the clock is that of the machine beneath."""


class World(msgspec.Struct):
    """A host and who works on it."""

    lab: Lab
    machine: Machine
    operator: Operator
    other: Operator
    before: str


def snapshot(machine: Machine) -> str:
    """Return every file of the configuration with its content's hash, what is installed, who there is, what listens."""
    files = machine.run("sh", "-c", "find /etc -type f ! -name '*-' | sort | xargs sha256sum").stdout
    derived = ("passwd", "group", "shadow", "subuid", "subgid", "ld.so.cache", ".pwd.lock")
    kept = [line for line in files.splitlines() if not line.endswith(derived)]
    users = machine.run("sh", "-c", "getent passwd; getent group").stdout
    places = machine.run("sh", "-c", "ls -d /opt/* /var/lib/cloister* /var/backups/cloister* 2>/dev/null; true").stdout
    settings = machine.run("sysctl", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.accept_redirects").stdout
    return "\n".join([*kept, machine.run("dpkg-query", "--show").stdout, users, places, settings])


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One lab for all tests of this module: they share a host."""
    with Lab() as lab:
        machine = lab.host("bookworm", name="h")
        folder = tmp_path_factory.mktemp("operators")
        before = snapshot(machine)
        place_runtime(machine)
        yield World(lab, machine, Operator(folder / "one", machine), Operator(folder / "two", machine), before)


def started(machine: Machine) -> dict[str, str]:
    """Return what tells one start of a service from the next."""
    names = [f"cloister-{name}.service" for name in UNITS]
    said = machine.run("systemctl", "show", "--property=InvocationID", "--value", *names).stdout
    return dict(zip(UNITS, said.split("\n\n"), strict=True))


def at_work() -> list[str]:
    """Return Ansible's processes on this machine."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "ansible playbook" in line]


def checks(report: Any, *, ok: bool | None) -> dict[str, str]:
    return {check["id"]: check["detail"] for check in report["checks"] if check["ok"] is ok}


def test_a_second_operator_is_told_and_a_killed_up_leaves_nobody_at_work(world: World) -> None:
    first = world.operator.up()
    wait_until(lambda: first.has_told("base : Settings"), 120, 0.1)

    code, report, told = world.other.up().end()
    assert (code, report["error"]["code"]) == (6, "host_locked"), told
    assert "deploy up" in report["error"]["message"]
    assert "since 20" in report["error"]["message"]

    first.kill()
    wait_until(lambda: not at_work(), 60, 0.2)


def test_up_goes_on_to_an_endpoint_that_answers(world: World) -> None:
    code, report, told = world.operator.up().end()
    assert code == 0, (str(report) + told)[-3000:]
    assert report["models"] == ["llama-3.1-8b-instruct"]
    assert report["url"] == f"https://{world.machine.v4}"


def test_up_again_changes_nothing(world: World) -> None:
    before = started(world.machine)
    code, report, told = world.operator.up().end()
    assert (code, report["changes"]) == (0, {}), told
    assert started(world.machine) == before


def test_the_host_is_no_other_operators(world: World) -> None:
    code, report, told = world.other.up().end()
    assert (code, report["error"]["code"]) == (1, "other_stack_on_host"), told


def test_everything_that_verify_looks_at_holds(world: World) -> None:
    with clock_of(world.machine):
        code, report, told = world.operator.deploy("verify")
    assert code == 0, str(checks(report, ok=False)) + told[-2000:]
    held = checks(report, ok=True)
    assert set(checks(report, ok=None)) <= NOT_TRIED, checks(report, ok=None)
    for what in ("ssh", "firewall", "listens", "inner_ports", "way_out", "sandboxed", "credentials", "disk"):
        assert f"host.cl-h.{what}" in held
    assert {"host.cl-h.clock", "host.cl-h.time_sync"} <= set(held)
    others = {"tls.chain", "tls.lasts", "auth.expired", "inference.stream", "replica.engine"}
    assert others | {"routes.closed_to_strangers"} <= set(held)


def test_an_audit_reads_the_host_and_finds_what_was_changed_by_hand(world: World) -> None:
    def found() -> set[tuple[str, str, str]]:
        code, report, told = world.operator.deploy("audit")
        assert code in (0, 3), told
        assert not [one for one in report["findings"] if one["status"] == "broken"], report["findings"]
        return {(one["rule"], one["resource"], one["status"]) for one in report["findings"]}

    before = found()
    assert not [one for one in before if one[1].startswith("cl-h:") or one[2] == "undecidable"], before
    folder = "/etc/systemd/system/cloister-gateway.service.d"
    text = "[Service]\\nProtectSystem=no\\n"
    world.machine.run("sh", "-c", f"mkdir {folder} && printf '{text}' > {folder}/x.conf && systemctl daemon-reload")
    world.machine.run("sh", "-c", "echo 'http: {}' > /etc/cloister/traefik/dynamic/more.yml")
    world.machine.run("nft", "insert", "rule", "inet", "cloister", "in", "tcp", "dport", "9090", "accept")
    try:
        assert found() - before == {
            ("firewall-default-deny", "cl-h:/in-force/firewall.nft", "violated"),
            ("only-rendered-files", "cl-h:/etc/cloister/traefik/dynamic/more.yml", "violated"),
            ("units-read-only", "cl-h:/etc/systemd/system/cloister-gateway.service", "violated"),
        }
    finally:
        world.machine.run("sh", "-c", f"rm -r {folder} /etc/cloister/traefik/dynamic/more.yml")
        world.machine.run("systemctl", "daemon-reload")
        world.machine.run("systemctl", "restart", "cloister-firewall.service")


def test_evidence_holds_what_was_read_and_tried_on_the_host(world: World, tmp_path: Path) -> None:
    code, report, told = world.operator.deploy("evidence", "--out", str(tmp_path / "evidence"))
    assert (code, report["ok"], report["private"]) == (0, True, True), told
    record = json.loads((tmp_path / "evidence" / "evidence.json").read_text())
    verdicts = {one["id"]: one["verdict"] for one in record["rules"]}
    assert set(verdicts.values()) <= {"holds", "not judged", "not applicable"}, verdicts
    assert (verdicts["audit-complete"], verdicts["firewall-default-deny"]) == ("holds", "holds")
    units = {f"cl-h:/etc/systemd/system/cloister-{name}.service" for name in UNITS}
    assert units | {"cl-h:/in-force/firewall.nft", "cl-h:/in-force/sshd_config"} <= set(record["audit"]["files"])
    assert (record["audit"]["resources"], record["audit"]["unread"]) == ([], [])
    tried = {theme: {one["id"]: one["ok"] for one in record["live"][theme]} for theme in ("tls", "tokens", "other")}
    assert {"tls.version", "tls.chain"} <= set(tried["tls"])
    assert {"auth.expired", "auth.alg_none"} <= set(tried["tokens"])
    assert {"host.cl-h.listens", "host.cl-h.firewall"} <= set(tried["other"])
    assert all(ok for theme in tried.values() for name, ok in theme.items() if name not in NOT_TRIED), tried
    assert record["exposure"]["of"] == "hosts"
    reached = {path["port"] for path in record["exposure"]["paths"] if path["open"] and path["kind"] == "named"}
    assert reached == {"port 443"}
    assert world.operator.deploy("evidence", "verify", str(tmp_path / "evidence"))[0] == 0


@pytest.mark.timeout(700)  # testssl.sh tries every protocol and cipher, each with a connection of its own
def test_a_tls_auditor_gives_its_best_grade(world: World) -> None:
    ca = next((world.operator.folder / "home").glob("stacks/default/tls/ca.pem"))
    auditor = world.lab.host("trixie", name="auditor")
    found = graded(auditor, world.machine.v4, ca.read_text())
    auditor.kill()
    assert found == Graded(grade="A+", lowered=(), faults=frozenset(LEFT_TO_TLS_AUDITORS))


def test_status_and_logs_come_from_the_host(world: World) -> None:
    code, report, told = world.operator.deploy("status")
    assert (code, report["state"], report["hosts"][0]["state"]) == (0, "running", "running"), told
    assert {one["name"] for one in report["services"] if one["state"] == "RUNNING"} >= set(UNITS)
    code, report, told = world.operator.deploy("logs", "gateway", "-n", "500")
    assert code == 0, told
    assert any("Started cloister-gateway" in line for line in report["logs"]["gateway"])


def test_a_revoked_token_is_refused_by_the_host(world: World) -> None:
    _, issued, _ = world.operator.deploy("token", "issue", "--client", "me", "--ttl", "1h")
    ca = next((world.operator.folder / "home").glob("stacks/default/tls/ca.pem"))
    with httpx.Client(verify=ssl.create_default_context(cafile=str(ca)), trust_env=False, timeout=20) as client:
        asked: dict[str, Any] = {"headers": {"Authorization": f"Bearer {issued['token']}"}}
        assert client.get(f"https://{world.machine.v4}/v1/models", **asked).status_code == 200
        before = started(world.machine)
        code, report, told = world.operator.deploy("token", "revoke", "--client", "me")
        assert (code, len(report["revoked"])) == (0, 1), told
        wait_until(lambda: client.get(f"https://{world.machine.v4}/v1/models", **asked).status_code == 401, 5)
    assert started(world.machine) == before


def test_verify_finds_what_was_opened_by_hand(world: World) -> None:
    world.machine.run("nft", "add", "rule", "inet", "cloister", "out", "accept")
    world.machine.run("nft", "insert", "rule", "inet", "cloister", "out", "accept")
    world.machine.run("systemctl", "stop", "cloister-engine.service")
    world.machine.run("chmod", "0644", "/etc/cloister/credentials/engine-api-key")
    world.machine.run("systemctl", "stop", "chrony.service")
    with clock_of(world.machine, ahead_s=90):
        code, report, told = world.operator.deploy("verify")
    assert code == 4, told
    failed = checks(report, ok=False)
    assert {"host.cl-h.way_out", "host.cl-h.service.engine", "host.cl-h.credentials"} <= set(failed)
    assert re.match(r"\+(89|90) s from ours", failed["host.cl-h.clock"])
    assert "no time service runs" in failed["host.cl-h.time_sync"]
    world.machine.run("systemctl", "restart", "cloister-firewall.service", "chrony.service")


def test_after_a_reboot_all_comes_back_by_itself(world: World) -> None:
    world.machine.reboot()
    wait_until(lambda: world.operator.deploy("status")[1]["state"] == "running", 90, 1)
    with clock_of(world.machine, ahead_s=-25, synchronised=False):
        _, report, told = world.operator.deploy("verify")
    assert "the clock says that it is not synchronised" in checks(report, ok=None)["host.cl-h.time_sync"]
    assert set(checks(report, ok=False)) <= {"host.cl-h.credentials"}, str(checks(report, ok=False)) + told[-2000:]


def test_a_change_touches_what_it_must(world: World) -> None:
    before = started(world.machine)
    world.operator.write_profile(32)
    with (world.operator.folder / "hosts.toml").open("a") as inventory:
        ours = '["10.213.0.1/32"]'
        inventory.write(f'\n[[out]]\nname = "time"\nprotocol = "udp"\nport = 123\nnetworks = {ours}\n')
    code, _, told = world.operator.up().end()
    assert code == 0, told
    after = started(world.machine)
    assert {name for name in UNITS if after[name] != before[name]} == {"gateway"}
    assert "^,?,10.213.0.1," in world.machine.run("chronyc", "-c", "-n", "sources").stdout


def test_a_host_that_is_away_is_left_and_said(world: World) -> None:
    world.machine.kill()
    code, report, told = world.operator.deploy("down")
    assert code == 5, told
    assert [(left["kind"], left["id"]) for left in report["leftovers"]] == [("host", "cl-h")]
    assert "nothing answers" in report["leftovers"][0]["why"]
    world.machine.boot()


def test_a_killed_down_goes_on_and_gives_the_host_back(world: World) -> None:
    world.machine.run("sh", "-c", "echo theirs > /etc/theirs.conf")
    first = world.operator.start("down")
    wait_until(lambda: first.has_told("restore : Files"), 120, 0.1)
    first.kill()
    wait_until(lambda: not at_work(), 60, 0.2)

    code, report, told = world.operator.deploy("down")
    assert code == 0, (str(report) + told)[-3000:]
    page = Path(report["certificate"]).with_suffix(".md").read_text()
    assert "Nothing is left." in page
    assert "file /etc/theirs.conf" in page
    assert world.machine.run("cat", "/etc/theirs.conf").stdout == "theirs\n"
    world.machine.run("rm", "/etc/theirs.conf")
    assert snapshot(world.machine) == world.before
    assert not world.machine.run("nft", "list", "ruleset", check=False).stdout

    code, report, told = world.operator.deploy("down")
    assert (code, report["ok"]) == (0, True), told


def test_evidence_of_what_comes_next_lists_the_certificate(world: World, tmp_path: Path) -> None:
    code, _, told = world.operator.deploy("evidence", "--profile", "poc", "--out", str(tmp_path / "evidence"))
    assert code == 0, told
    record = json.loads((tmp_path / "evidence" / "evidence.json").read_text())
    (teardown,) = record["teardowns"][-1:]
    assert (teardown["stack"], teardown["left"]) == ("default", 0)
    assert teardown["removed"] > 0
