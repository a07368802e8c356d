"""Files are judged as they lie on this machine and on hosts: changed, added, gone, or overridden by a drop-in."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import msgspec
import pytest

from lifecycle.audit import Audited, judge
from lifecycle.auditing.hosts import read_host
from lifecycle.auditing.records import HostReading, Reading, Unread
from lifecycle.auditing.sandbox import read_sandbox
from lifecycle.evidence.gather import Looked
from lifecycle.evidence.make import evidence_of
from lifecycle.home import Home
from lifecycle.node_files import node_files
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan, WaiverPlan
from policies.rule import Scope
from policies.rules import RULES
from policies.rules.ssh_keys_only import WANTED
from policies.rules.ssh_modern_algorithms import MODERN
from policies.run import Finding, refusals
from templates.hosts import HostAbilities, render_host
from templates.render import render
from tests.lifecycle.stack import layout_in

DAY = date(2026, 11, 21)
HOST = HostPlan(name="node-a", address="10.0.0.10", gpus=8)
ROUTES = "traefik/dynamic/routes.yml"


def plan_on(target: Any, *hosts: HostPlan) -> Plan:
    return make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="files", target=target, hosts=hosts))


METAL = plan_on("metal", HOST)


def judged(plan: Plan, **hosts: HostReading) -> tuple[Finding, ...]:
    """Return what refuses, apart from what the plan itself is guilty of."""
    guilty = set(judge(plan, Reading(), {}, RULES, DAY).findings)
    findings = judge(plan, Reading(), hosts, RULES, DAY).findings
    return tuple(one for one in refusals(findings, settled=True) if one not in guilty)


@pytest.fixture
def sandbox(tmp_path: Path) -> tuple[Plan, Path]:
    plan, layout = plan_on("sandbox"), layout_in(tmp_path)
    for name, text in render(plan, layout).items():
        path = Path(layout.config, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return plan, Path(layout.config)


def of_sandbox(plan: Plan, config: Path) -> tuple[Finding, ...]:
    return judged(plan, here=read_sandbox(plan, layout_in(config.parent.parent)))


def test_files_as_they_were_written_are_sound(sandbox: tuple[Plan, Path]) -> None:
    assert of_sandbox(*sandbox) == ()


def test_a_route_without_authentication_is_found(sandbox: tuple[Plan, Path]) -> None:
    plan, config = sandbox
    routes = msgspec.yaml.decode((config / ROUTES).read_bytes())
    for router in routes["http"]["routers"].values():
        router["middlewares"] = []
    (config / ROUTES).write_bytes(msgspec.yaml.encode(routes))
    assert ("routes-authenticated", ROUTES) in {(one.rule, one.resource) for one in of_sandbox(plan, config)}


def test_a_file_beside_the_rendered_ones_is_found(sandbox: tuple[Plan, Path]) -> None:
    plan, config = sandbox
    (config / "traefik/dynamic/more.yml").write_text("http: {}\n")
    (found,) = of_sandbox(plan, config)
    assert (found.rule, found.status, found.resource) == ("only-rendered-files", "violated", "traefik/dynamic/more.yml")


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"\xff\xfe\xff")], ids=["gone", "binary"])
def test_a_file_that_cannot_be_read_is_undecidable(sandbox: tuple[Plan, Path], spoil: Any) -> None:
    plan, config = sandbox
    spoil(config / "gateway/gateway.toml")
    found = {(one.rule, one.status) for one in of_sandbox(plan, config) if one.resource == "gateway/gateway.toml"}
    assert ("audit-complete", "undecidable") in found


NFT = """table inet cloister {
	chain in {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		ip saddr { 10.0.0.0/8 } tcp dport 443 accept comment "endpoint"
	}

	chain through {
		type filter hook forward priority filter; policy drop;
	}

	chain out {
		type filter hook output priority filter; policy drop;
		oifname "lo" accept
		ct state established,related accept
	}
}
"""
SSHD = "\n".join(
    f"{name} {values[0] if name in WANTED else ','.join(values)}" for name, values in {**WANTED, **MODERN}.items()
)


class Answers:
    """A login on a host that answers the script as a host would, from files that a test may change."""

    def __init__(self) -> None:
        self.host = SimpleNamespace(name=HOST.name, user="root")
        wanted = render_host(METAL, load_catalogue(), HOST, HostAbilities(systemd=252))
        self.files = {file.path: file.text for file in wanted}
        self.files["/etc/cloister/firewall.nft"] = NFT
        self.files["/etc/ssh/sshd_config.d/00-cloister.conf"] = SSHD
        self.live = {"firewall": NFT, "sshd": SSHD}
        self.beside: list[str] = []
        self.ending = "end"

    def run_as_root(self, command: str, *, text: str = "", timeout_s: float = 0) -> Any:
        assert "base64" in text
        lines = []
        for path, content in self.files.items():
            unit = path.startswith("/etc/systemd/system/")
            name = path.rpartition("/")[2] if unit else path
            assert name in command
            lines.append(f"{'unit' if unit else 'file'} {name} {base64.b64encode(content.encode()).decode()}")
        lines += [f"there {path}" for path in self.beside]
        lines += [f"{kind} now {base64.b64encode(said.encode()).decode()}" for kind, said in self.live.items()]
        return SimpleNamespace(code=0, stdout="\n".join([*lines, self.ending]) + "\n", stderr="", timeout=timeout_s)


def of_host(answers: Answers) -> tuple[Finding, ...]:
    connection: Any = answers
    return judged(METAL, host=read_host(connection, METAL, HOST))


def test_a_host_as_it_was_made_is_sound() -> None:
    assert of_host(Answers()) == ()


def test_what_one_of_several_hosts_has_is_judged() -> None:
    connection: Any = Answers()
    hosts = {"a": HostReading(files={}), "b": read_host(connection, METAL, HOST), "c": HostReading(files={})}
    found = judge(METAL, Reading(), hosts, RULES, DAY).judged
    rules = {level: {rule for rule, at in found if at == level} for level in get_args(Scope)}
    assert {"units-kernel", "routes-authenticated"} <= rules["files"]
    assert rules["hosts"] == {"firewall-default-deny", "ssh-keys-only", "ssh-modern-algorithms"}
    assert (rules["resources"], "containers-contained" in rules["files"]) == (set(), False)


def test_of_a_host_that_was_not_read_whole_nothing_is_said_to_be_absent(tmp_path: Path) -> None:
    """Neither do its rules hold, nor are they about something else, whatever other hosts have."""
    connection: Any = Answers()
    lost = HostReading(files={}, unread=(Unread(place="b", why="it does not answer"),))

    def verdicts(**hosts: HostReading) -> dict[str, str]:
        outcome, reading = judge(METAL, Reading(), hosts, RULES, DAY), Reading()
        audited = Audited(METAL, "", "", reading, hosts, RULES, outcome.findings, outcome.judged)
        looked = Looked(METAL, (), (), audited.files, audited.findings, audited.judged, None, audited, None, None, ())
        record = evidence_of(looked, datetime(2026, 11, 21, tzinfo=UTC), Home(tmp_path))
        return {one.id: one.verdict for one in record.rules}

    sound = read_host(connection, METAL, HOST)
    whole, less, none = verdicts(a=sound), verdicts(a=sound, b=lost), verdicts(b=lost)
    of_hosts = [rule.id for rule in RULES if {"files", "hosts"} & {*rule.levels}]
    assert {whole[name] for name in of_hosts} == {"holds", "not applicable"}
    for partly in (less, none):
        assert {partly[name] for name in of_hosts} <= {"undecidable", "violated"}, "what must be there is missing on b"
        assert (partly["containers-contained"], partly["firewall-default-deny"]) == ("undecidable", "undecidable")
    assert whole["containers-contained"] == "not applicable"


def test_a_drop_in_that_takes_the_sandboxing_away_is_found() -> None:
    answers = Answers()
    unit = "/etc/systemd/system/cloister-gateway.service"
    answers.files[unit] += f"\n# {unit}.d/override.conf\n[Service]\nProtectSystem=no\nNoNewPrivileges=no\n"
    found = {(one.rule, one.resource) for one in of_host(answers)}
    assert found == {("units-read-only", f"node-a:{unit}"), ("units-unprivileged", f"node-a:{unit}")}


def test_an_opened_firewall_is_found_though_its_file_is_sound() -> None:
    answers = Answers()
    answers.live["firewall"] = NFT.replace("policy drop", "policy accept", 1)
    (found,) = of_host(answers)
    assert (found.rule, found.resource) == ("firewall-default-deny", "node-a:/in-force/firewall.nft")


def test_a_password_login_is_found_though_our_settings_forbid_it() -> None:
    answers = Answers()
    answers.live["sshd"] = SSHD.replace("passwordauthentication no", "passwordauthentication yes")
    (found,) = of_host(answers)
    assert (found.rule, found.resource) == ("ssh-keys-only", "node-a:/in-force/sshd_config")


def test_a_route_of_one_host_among_several_is_found() -> None:
    """Files of several hosts have the same names: the second host is judged as the first is."""
    other = Answers()
    routes = msgspec.yaml.decode(other.files[f"/etc/cloister/{ROUTES}"])
    for router in routes["http"]["routers"].values():
        router["middlewares"] = []
    other.files[f"/etc/cloister/{ROUTES}"] = msgspec.yaml.encode(routes).decode()
    connections: tuple[Any, Any] = (Answers(), other)
    first, second = (read_host(one, METAL, HOST) for one in connections)
    assert "routes-authenticated" in {one.rule for one in judged(METAL, first=first, second=second)}


def test_a_file_that_is_not_there_is_undecidable() -> None:
    answers = Answers()
    del answers.live["firewall"]
    answers.ending = "missing nftables\nend"
    (found,) = of_host(answers)
    assert (found.rule, found.status, found.resource) == ("audit-complete", "undecidable", "node-a:nftables")


def test_a_file_in_a_folder_that_is_read_whole_is_found() -> None:
    answers = Answers()
    answers.beside = ["/etc/cloister/traefik/dynamic/routes.yml", "/etc/cloister/traefik/dynamic/x.yml"]
    (found,) = of_host(answers)
    assert (found.rule, found.resource) == ("only-rendered-files", "node-a:/etc/cloister/traefik/dynamic/x.yml")


def test_a_host_says_which_bundle_it_installed_from() -> None:
    answers = Answers()
    answers.ending = f"bundle {'a' * 64}\nend"
    connection: Any = answers
    assert read_host(connection, METAL, HOST).bundle == "a" * 64
    assert of_host(answers) == ()


def test_a_waiver_of_a_plans_file_covers_it_on_the_host_as_well() -> None:
    """A file has one name, before it is placed and where it lies."""
    answers = Answers()
    unit = "/etc/systemd/system/cloister-gateway.service"
    assert f"{HOST.name}:{unit}" in node_files(METAL, layout_in(Path("/stack")))
    answers.files[unit] += f"\n# {unit}.d/override.conf\n[Service]\nProtectSystem=no\n"
    covers = WaiverPlan(
        rule="units-read-only",
        resource=f"{HOST.name}:{unit}",
        owner="ops",
        reason="r",
        ticket="T-1",
        expiry=date(2026, 12, 1),
    )
    waived = msgspec.structs.replace(METAL, policy=msgspec.structs.replace(METAL.policy, waivers=(covers,)))
    connection: Any = answers
    findings = judge(waived, Reading(), {"host": read_host(connection, METAL, HOST)}, RULES, DAY).findings
    assert [one.status for one in findings if one.rule == "units-read-only"] == ["waived"]
    assert not [one for one in findings if one.rule == "waivers"]


def test_an_answer_that_is_cut_off_is_none() -> None:
    answers = Answers()
    answers.ending = ""
    with pytest.raises(DeployError, match="cannot be read"):
        of_host(answers)
