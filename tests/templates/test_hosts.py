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
from policies.files import Files, Unit
from policies.run import evaluate
from templates.hosts import QUADLETS, UNITS, USERS, HostAbilities, HostFile, container_of, render_host, unit_of
from templates.unit_sandbox import OPENINGS, SANDBOX
from templates.unit_text import unit_value, unit_word
from tests.spanning import FOLLOWER, HEAD, spanning_plan, with_nodes

GOLDEN = Path(__file__).parent / "golden_hosts"
BOOKWORM, TRIXIE = HostAbilities(systemd=252), HostAbilities(systemd=257)
HOST = HostPlan(name="a", address="10.0.0.5", gpus=8)
WIDE = with_nodes(spanning_plan())
IMAGE = f"registry.example/vllm/vllm-openai@sha256:{'a1' * 32}"
CASES = {
    "2xh200-trixie": ("2xh200", False, HOST, TRIXIE, ""),
    "2xh200-contained-trixie": ("2xh200", False, HOST, TRIXIE, IMAGE),
    "poc-imitated-bookworm": ("poc", True, HostPlan(name="a", interface="eth1"), BOOKWORM, ""),
}
PLACES = (UNITS, QUADLETS, "/etc/sysusers.d")


def metal(name: str, *, stand_in: bool = False, host: HostPlan = HOST, image: str = "", **limits: int) -> Plan:
    profile = load_profile(name)
    engine = msgspec.structs.replace(profile.engine, stand_in=stand_in, image=image)
    profile = msgspec.structs.replace(profile, engine=engine, limits=msgspec.structs.replace(profile.limits, **limits))
    return make_plan(profile, load_catalogue(), Site(stack="s", target="metal", hosts=(host,)))


def rendered(plan: Plan, host: HostPlan = HOST, able: HostAbilities = BOOKWORM) -> tuple[HostFile, ...]:
    return render_host(plan, load_catalogue(), host, able)


def unit(plan: Plan, service: str, able: HostAbilities = BOOKWORM) -> list[str]:
    (file,) = [file for file in rendered(plan, able=able) if file.path == f"{UNITS}/{unit_of(service)}"]
    return file.text.splitlines()


@pytest.mark.parametrize("case", CASES)
def test_units_are_as_they_were(case: str) -> None:
    profile, stand_in, host, able, image = CASES[case]
    files = rendered(metal(profile, stand_in=stand_in, host=host, image=image), host, able)
    units = {Path(file.path).name: file.text for file in files if file.path.startswith(PLACES)}
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


def quadlet(plan: Plan, able: HostAbilities = TRIXIE) -> Unit:
    files = {file.path: file.text for file in rendered(plan, able=able)}
    (found,) = Files({container_of("engine"): files[container_of("engine")]}).containers()
    return found


def test_a_service_with_an_image_is_a_quadlet_and_no_unit_file() -> None:
    paths = {file.path for file in rendered(metal("2xh200", image=IMAGE))}
    plain = {file.path for file in rendered(metal("2xh200"))}
    assert paths - plain == {container_of("engine"), "/usr/local/lib/cloister/for-container"}
    assert plain - paths == {f"{UNITS}/{unit_of('engine')}"}


def test_a_container_has_what_its_plain_unit_has() -> None:
    """Limits, health, credentials and pauses are the same, and it is told the same."""
    text = {file.path: file.text for file in rendered(metal("2xh200"), able=TRIXIE)}[f"{UNITS}/{unit_of('engine')}"]
    (plain,) = Files({f"{UNITS}/{unit_of('engine')}": text}).units()
    contained = quadlet(metal("2xh200", image=IMAGE))
    same = (
        *("ExecStartPost", "TimeoutStartSec", "TimeoutStopSec", "Restart", "RestartSec", "RestartSteps"),
        *("MemoryMax", "MemorySwapMax", "TasksMax", "LimitNOFILE", "LimitCORE", "IPAddressDeny", "IPAddressAllow"),
        *("LoadCredentialEncrypted", "SyslogIdentifier", "StandardOutput"),
    )
    for name in same:
        assert contained.values(name) == plain.values(name) != (), name
    start, inside = plain.value("ExecStart") or "", contained.value("Exec", "Container") or ""
    assert start.partition(" serve ")[2] == inside.partition(" serve ")[2] != ""
    for name in ("PartOf", "After", "AssertFileIsExecutable", "StartLimitIntervalSec"):
        assert bool(contained.values(name, "Unit")) == bool(plain.values(name, "Unit")), name


def test_a_container_carries_a_hash_of_all_that_it_is_started_with() -> None:
    def mark(plan: Plan) -> str:
        return next(one for one in quadlet(plan).values("Environment") if one.startswith("CLOISTER_CONFIGURATION="))

    plan = metal("2xh200", image=IMAGE)
    assert mark(plan) == mark(plan)
    assert mark(plan) != mark(metal("2xh200", image=IMAGE.replace("a1", "b2")))
    bundle = msgspec.structs.replace(plan.bundle, id="c" * 64)
    assert mark(plan) != mark(msgspec.structs.replace(plan, bundle=bundle))


def test_each_container_sees_its_own_gpus_and_folders_alone() -> None:
    profile = load_profile("2xh200")
    hardware = msgspec.structs.replace(profile.hardware, replicas=2)
    engine = msgspec.structs.replace(profile.engine, image=IMAGE)
    profile = msgspec.structs.replace(profile, hardware=hardware, engine=engine)
    plan = make_plan(profile, load_catalogue(), Site(stack="s", target="metal", hosts=(HOST,)))
    units = list(Files({file.path: file.text for file in rendered(plan, able=TRIXIE)}).containers())
    assert [unit.values("AddDevice", "Container") for unit in units] == [
        ("nvidia.com/gpu=0", "nvidia.com/gpu=1"),
        ("nvidia.com/gpu=2", "nvidia.com/gpu=3"),
    ]
    for name, unit in zip(("engine-0", "engine-1"), units, strict=True):
        written = [one for one in unit.values("Volume", "Container") if not one.endswith(":ro,nodev,nosuid")]
        assert written == [f"/var/lib/cloister/data/{name}:/var/lib/cloister/data/{name}:rw,nodev,nosuid"]


def test_words_of_a_container_reach_it_as_they_are() -> None:
    plan = metal("2xh200", image=IMAGE)
    service = plan.service("engine")
    odd = msgspec.structs.replace(service, args=("serve", "$HOME %n", 'a "b"'), env={"X": "%h $Y"})
    plan = msgspec.structs.replace(plan, services=(odd, *plan.services[1:]))
    contained = quadlet(plan)
    assert (contained.value("Exec", "Container") or "").endswith(r'serve "$$HOME %%n" "a \x22b\x22"')
    assert '"X=%%h $Y"' in contained.values("Environment", "Container")


@pytest.mark.parametrize("stand_in", [True, False])
def test_rules_have_nothing_to_say_of_what_is_rendered(stand_in: bool) -> None:
    plan = metal("2xh200", image=IMAGE, stand_in=stand_in)
    files = {file.path: file.text for file in rendered(plan, able=TRIXIE)}
    found = evaluate(None, (), files=files)
    assert [one for one in found if one.resource == container_of("engine")] == []
    spoilt = files[container_of("engine")].replace("ReadOnly=true", "ReadOnly=false")
    found = evaluate(None, (), files={**files, container_of("engine"): spoilt})
    assert "containers-contained" in {one.rule for one in found if one.resource == container_of("engine")}


def test_what_no_container_is_set_up_for_is_refused() -> None:
    plan = metal("2xh200", image=IMAGE)
    image = plan.service("engine").image
    traefik = msgspec.structs.replace(plan.service("traefik"), image=image)
    services = tuple(traefik if one.name == "traefik" else one for one in plan.services)
    with pytest.raises(ValueError, match="publishes a port"):
        rendered(msgspec.structs.replace(plan, services=services))
