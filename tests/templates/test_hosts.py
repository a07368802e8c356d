"""Files of hosts: word for word for two plans, and what must hold of every unit."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan
from templates.hosts import UNITS, USERS, HostAbilities, HostFile, render_host, unit_of
from templates.unit_sandbox import OPENINGS, SANDBOX
from templates.unit_text import unit_value, unit_word
from tests.spanning import FOLLOWER, HEAD, spanning_plan, with_nodes

GOLDEN = Path(__file__).parent / "golden_hosts"
BOOKWORM, TRIXIE = HostAbilities(systemd=252), HostAbilities(systemd=257)
HOST = HostPlan(name="a", address="10.0.0.5", gpus=8)
WIDE = with_nodes(spanning_plan())
CASES = {
    "2xh200-trixie": ("2xh200", False, HOST, TRIXIE),
    "poc-imitated-bookworm": ("poc", True, HostPlan(name="a", interface="eth1"), BOOKWORM),
}


def metal(name: str, *, stand_in: bool = False, host: HostPlan = HOST, **limits: int) -> Plan:
    profile = load_profile(name)
    engine = msgspec.structs.replace(profile.engine, stand_in=stand_in)
    profile = msgspec.structs.replace(profile, engine=engine, limits=msgspec.structs.replace(profile.limits, **limits))
    return make_plan(profile, load_catalogue(), Site(stack="s", target="metal", hosts=(host,)))


def rendered(plan: Plan, host: HostPlan = HOST, able: HostAbilities = BOOKWORM) -> tuple[HostFile, ...]:
    return render_host(plan, load_catalogue(), host, able)


def unit(plan: Plan, service: str, able: HostAbilities = BOOKWORM) -> list[str]:
    (file,) = [file for file in rendered(plan, able=able) if file.path == f"{UNITS}/{unit_of(service)}"]
    return file.text.splitlines()


@pytest.mark.parametrize("case", CASES)
def test_units_are_as_they_were(case: str) -> None:
    profile, stand_in, host, able = CASES[case]
    files = rendered(metal(profile, stand_in=stand_in, host=host), host, able)
    units = {Path(file.path).name: file.text for file in files if file.path.startswith((UNITS, "/etc/sysusers.d"))}
    if os.environ.get("UPDATE_GOLDEN"):
        for name, text in units.items():
            (GOLDEN / case).mkdir(parents=True, exist_ok=True)
            (GOLDEN / case / name).write_text(text, encoding="utf-8")
    assert units == {path.name: path.read_text("utf-8") for path in (GOLDEN / case).iterdir()}


@pytest.mark.parametrize("rank", [0, 1])
def test_units_of_a_replica_that_spans_nodes_are_as_they_were(rank: int) -> None:
    """The first node's engine, what else it runs being as on any host; and all that the other one runs."""
    host, plan = WIDE.hosts[rank], WIDE
    files = render_host(plan, load_catalogue(), host, HostAbilities(systemd=255, interface="enp71s0"))
    texts = {Path(file.path).name: file.text for file in files if file.path.startswith((UNITS, "/etc/sysusers.d"))}
    units = {"cloister-engine.service": texts["cloister-engine.service"]} if rank == 0 else texts
    case = f"kimi-k2-node-{rank}-noble"
    if os.environ.get("UPDATE_GOLDEN"):
        for name, text in units.items():
            (GOLDEN / case).mkdir(parents=True, exist_ok=True)
            (GOLDEN / case / name).write_text(text, encoding="utf-8")
    assert units == {path.name: path.read_text("utf-8") for path in (GOLDEN / case).iterdir()}


def test_a_further_node_of_a_replica_publishes_nothing_and_holds_no_secret() -> None:
    files = render_host(WIDE, load_catalogue(), WIDE.hosts[1], HostAbilities(systemd=255, interface="enp71s0"))
    names = {Path(file.path).name for file in files}
    assert names == {
        *("await-health", "with-secrets", "with-peers", "cloister.conf"),
        *("cloister-engine-node-1.service", "cloister.target"),
    }
    assert not any("LoadCredential" in file.text or "VLLM_API_KEY" in file.text for file in files if file.path != USERS)


def test_an_engine_that_spans_nodes_speaks_with_its_own_alone() -> None:
    for host in WIDE.hosts:
        files = render_host(WIDE, load_catalogue(), host, HostAbilities(systemd=255, interface="enp71s0"))
        (text,) = [file.text for file in files if Path(file.path).name.startswith("cloister-engine")]
        (line,) = [line for line in text.splitlines() if line.startswith("IPAddressAllow=")]
        assert set(line.removeprefix("IPAddressAllow=").split()) == {"localhost", HEAD, FOLLOWER}
        assert "{" not in text


@pytest.mark.parametrize("name", shipped_names())
def test_every_service_is_a_unit_of_its_own_user_and_shut_in(name: str) -> None:
    plan = metal(name)
    for service in plan.services:
        lines = unit(plan, service.name)
        assert f"User=cloister-{service.name}" in lines
        opened = {opening.name for need in service.needs for opening in OPENINGS[need]}
        kept = [f"{key}={value.split(chr(10))[0]}" for key, value in SANDBOX.items() if key not in opened]
        missing = set(kept) - set(lines)
        assert missing <= ({"IPAddressAllow=localhost"} if service.name == "traefik" else set())
        assert "CapabilityBoundingSet=" in lines


def test_every_opening_of_the_engine_has_its_reason_above_it() -> None:
    lines = unit(metal("2xh200"), "engine")
    for need in ("gpu", "jit"):
        for opening in OPENINGS[need]:
            at = lines.index(f"{opening.name}={opening.value.split(chr(10))[0]}")
            above = [line for line in lines[:at] if line.startswith("#")]
            assert f"# {opening.why}" in above
    assert not any(line.startswith("LimitMEMLOCK") for line in lines)


def test_a_replica_that_spans_nodes_may_keep_memory_in_place() -> None:
    files = render_host(WIDE, load_catalogue(), WIDE.hosts[0], HostAbilities(systemd=255, interface="enp71s0"))
    (lines,) = [file.text.splitlines() for file in files if file.path.endswith("cloister-engine.service")]
    assert "LimitMEMLOCK=infinity" in lines
    assert {"DeviceAllow=char-nvidia* rw", "DeviceAllow=char-infiniband* rw"} <= set(lines)


def test_no_secret_and_no_shell_is_on_a_command_line() -> None:
    line = next(line for line in unit(metal("2xh200"), "engine") if line.startswith("ExecStart="))
    words = shlex.split(line.removeprefix("ExecStart="))
    assert words[:3] == ["/usr/local/lib/cloister/with-secrets", "VLLM_API_KEY=engine-api-key", "--"]
    assert words[3] == "/opt/cloister/runtime/engine/current/bin/vllm"


def test_a_change_marks_what_it_concerns() -> None:
    before = {file.path: file.text for file in rendered(metal("2xh200"))}
    after = {file.path: file.text for file in rendered(metal("2xh200", max_body_mib=5))}
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"/etc/cloister/gateway/gateway.toml", f"{UNITS}/cloister-gateway.service"}


def test_a_bundle_that_is_replaced_restarts_all() -> None:
    plan = metal("2xh200")
    newer = msgspec.structs.replace(plan, bundle=msgspec.structs.replace(plan.bundle, id="0" * 64))
    before, after = ({file.path: file.text for file in rendered(one)} for one in (plan, newer))
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {f"{UNITS}/{unit_of(service.name)}" for service in plan.services}


def test_each_systemd_gets_what_it_knows() -> None:
    plan = metal("2xh200")
    old, bookworm, trixie = (unit(plan, "gateway", HostAbilities(systemd=version)) for version in (249, 252, 257))
    assert "LoadCredential=engine-api-key:/etc/cloister/credentials/engine-api-key" in old
    for lines in (bookworm, trixie):
        assert "LoadCredentialEncrypted=engine-api-key:/etc/cloister/credentials/engine-api-key" in lines
    assert "RestartSec=5" in bookworm
    assert {"RestartSteps=6", "RestartMaxDelaySec=60"} <= set(trixie)


@pytest.mark.parametrize(
    ("host", "lines"),
    [
        (HostPlan(name="a", address="10.0.0.5"), {"ListenStream=10.0.0.5:443"}),
        (HostPlan(name="a", address="fd00::5", interface="eth0"), {"ListenStream=[fd00::5]:443", "BindToDevice=eth0"}),
        (HostPlan(name="a", interface="eth0"), {"ListenStream=[::]:443", "BindToDevice=eth0", "BindIPv6Only=both"}),
    ],
)
def test_the_endpoint_is_where_the_host_says(host: HostPlan, lines: set[str]) -> None:
    plan = metal("2xh200", stand_in=True, host=host)
    sockets = [file for file in rendered(plan, host) if file.path.endswith(".socket")]
    assert len(sockets) == 1
    text = sockets[0].text.splitlines()
    assert lines <= set(text)
    assert {"IPAddressDeny=any", "IPAddressAllow=10.0.0.0/8"} <= set(text)
    (static,) = [file.text for file in rendered(plan, host) if file.path == "/etc/cloister/traefik/traefik.yml"]
    assert 'address: "127.0.0.1:443"' in static  # started without its socket, it publishes nothing


def test_only_an_issuer_that_must_be_asked_opens_the_gateway() -> None:
    profile = load_profile("2xh200")
    for jwks, networks in (("https://keys.example/jwks", "any"), ("/etc/keys.json", "localhost")):
        identity = msgspec.structs.replace(profile.identity, issuer="https://issuer.example", jwks=jwks)
        asked = msgspec.structs.replace(profile, identity=identity)
        plan = make_plan(asked, load_catalogue(), Site(stack="s", target="metal", hosts=(HOST,)))
        assert f"IPAddressAllow={networks}" in unit(plan, "gateway")


def test_secrets_are_read_where_systemd_puts_them() -> None:
    (config,) = [file for file in rendered(metal("2xh200")) if file.path.endswith("gateway.toml")]
    assert 'api_key_file = "/run/credentials/cloister-gateway.service/engine-api-key"' in config.text
    assert (config.group, config.mode) == ("cloister-gateway", "0640")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--flag=a/b:c", "--flag=a/b:c"),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ('{"a": "b"}', '"{\\x22a\\x22: \\x22b\\x22}"'),
        ("a b", '"a b"'),
        ("", '""'),
        ("line\nbreak", '"line\\x0abreak"'),
        ("back\\slash", '"back\\x5cslash"'),
    ],
)
def test_words_reach_the_program_as_they_are(word: str, text: str) -> None:
    assert unit_word(word) == text


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_text_breaks_out_of_its_line(text: str) -> None:
    for quoted in (unit_word(text), unit_value(text)):
        assert "\n" not in quoted
        inner = quoted[1:-1] if quoted.startswith('"') else quoted
        assert '"' not in inner


def test_what_no_program_can_be_given_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        unit_word("a\0b")
