"""Listeners in the exposure proof: read from what programs are told, and a port on loopback is closed to packets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from lifecycle.home import Home
from lifecycle.node_files import node_files
from lifecycle.policy_check import LAYOUT
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan, Target
from policies.exposure.exposure import Exposure
from policies.exposure.exposure import Path as Way
from policies.exposure.listeners import listeners_of
from policies.exposure.network import Card, Group, Listener, Network, Rule, Subnet
from policies.exposure.picture import picture
from policies.exposure.planned import planned
from policies.exposure.reach import prove

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def plan_on(target: Target, hosts: tuple[HostPlan, ...] = ()) -> Plan:
    return make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="example", target=target, hosts=hosts))


ON_AWS = plan_on("aws")
NODE_FILES = node_files(ON_AWS, LAYOUT)
HOST = HostPlan(name="host", address="10.0.0.10", gpus=8)
ON_METAL = plan_on("metal", (HOST,))
HOST_FILES = node_files(ON_METAL, Home(Path("/stack")).stack("example").layout)


def changed(files: dict[str, str], end: str, old: str, new: str) -> dict[str, str]:
    (path,) = (path for path in files if path.endswith(end))
    assert old in files[path]
    return {**files, path: files[path].replace(old, new)}


def beyond(plan: Plan, files: dict[str, str]) -> set[tuple[str, int]]:
    return {(one.service, one.port) for one in listeners_of(plan, files) if one.beyond}


def test_on_a_node_the_endpoint_alone_is_reached() -> None:
    found = listeners_of(ON_AWS, NODE_FILES)
    assert {(port.number) for service in ON_AWS.services for port in service.ports} == {one.port for one in found}
    assert beyond(ON_AWS, NODE_FILES) == {("traefik", 443)}
    (endpoint,) = (one for one in found if one.port == 443)
    assert endpoint.said_by.endswith("cloister-traefik-https.socket")


@pytest.mark.parametrize(
    ("end", "old", "new", "opened"),
    [
        ("gateway.toml", 'listen = "127.0.0.1:8080"', 'listen = "0.0.0.0:8080"', ("gateway", 8080)),
        ("gateway.toml", 'admin_listen = "127.0.0.1:8081"', "", ("gateway", 8081)),
        ("traefik.yml", "127.0.0.1:8082", ":8082", ("traefik", 8082)),
        ("traefik.yml", "  admin:", '  extra:\n    address: "[::]:9443"\n  admin:', ("traefik", 9443)),
        (".socket", "[Socket]", "[Socket]\nListenStream=2222", ("traefik", 2222)),
        ("gateway.toml", "listen", "= listen", ("gateway", 8080)),
    ],
)
def test_what_a_file_opens_is_open(end: str, old: str, new: str, opened: tuple[str, int]) -> None:
    assert opened in beyond(ON_AWS, changed(NODE_FILES, end, old, new))


def test_a_command_line_says_where_it_listens_and_silence_is_every_address() -> None:
    def with_args(args: tuple[str, ...]) -> Plan:
        services = tuple(
            msgspec.structs.replace(one, args=args) if one.name == "prometheus" else one for one in ON_AWS.services
        )
        return msgspec.structs.replace(ON_AWS, services=services)

    assert ("prometheus", 9090) in beyond(with_args(()), NODE_FILES)
    assert ("prometheus", 9090) in beyond(with_args(("--web.listen-address=0.0.0.0:9090",)), NODE_FILES)
    assert ("prometheus", 9090) not in beyond(with_args(("--web.listen-address=127.0.0.1:9090",)), NODE_FILES)


def network(*listeners: Listener, peer: str = "0.0.0.0/0") -> Network:
    rule = Rule(inbound=True, protocol="tcp", first=9090, last=9090, peer=peer, owner="slip")
    return Network(
        named=("10.0.0.0/8",),
        port=443,
        subnets=(Subnet(id="subnet-1", name="a", cidr="172.16.0.0/20"),),
        groups=(Group(id="sg-1", name="node", rules=(rule,)),),
        cards=(Card(id="eni-1", name="node-0", kind="node", subnet="subnet-1", groups=("sg-1",)),),
        own_groups=("sg-1",),
        listeners=listeners,
    )


def ways(proof: Exposure, kind: str, port: str) -> list[Way]:
    return [path for path in proof.paths if (path.kind, path.port) == (kind, port)]


def listener(address: str) -> Listener:
    return Listener(service="prometheus", port=9090, address=address, said_by="a file")


@pytest.mark.parametrize(("address", "is_open"), [("127.0.0.1", False), ("10.0.0.5", True), ("", True), ("::1", False)])
def test_a_rule_alone_does_not_reach_a_port_on_loopback(address: str, is_open: bool) -> None:
    """The slip is told all the same: it is a barrier that does not stand."""
    proof = prove(network(listener(address), peer="172.16.0.0/20"), of="plan", stack="tested")
    (way,) = ways(proof, "neighbour", "port 9090")
    assert way.open == is_open
    assert [edge.open for edge in way.edges] == [True, is_open]
    assert not proof.ok
    (own,) = ways(proof, "host", "port 9090")
    assert own.open


def test_neighbours_are_considered_and_closed_where_no_rule_names_them() -> None:
    proof = prove(network(listener("127.0.0.1"), peer="10.0.0.0/8"), of="plan", stack="tested")
    (way,) = ways(proof, "neighbour", "port 443")
    assert not way.open
    assert way.edges[0].why == "no rule admits them"


def test_a_host_of_ones_own_is_closed_to_the_world_by_its_socket() -> None:
    proof = prove(planned(ON_METAL, (), HOST_FILES), of="plan", stack="example")
    assert proof.ok
    assert any("firewall" in said for said in proof.unknown)
    assert {path.port for path in proof.paths if path.open and path.kind == "named"} == {"port 443"}
    assert not any(path.open for path in proof.paths if path.kind == "internet")


@pytest.mark.parametrize(
    ("end", "old", "new"),
    [
        (".socket", "IPAddressDeny=any", ""),
        (".socket", "IPAddressAllow=10.0.0.0/8", "IPAddressAllow=0.0.0.0/0"),
        ("gateway.toml", 'listen = "127.0.0.1:8080"', 'listen = "0.0.0.0:8080"'),
    ],
)
def test_a_host_that_is_open_to_the_world_fails_the_proof(end: str, old: str, new: str) -> None:
    proof = prove(planned(ON_METAL, (), changed(HOST_FILES, end, old, new)), of="plan", stack="example")
    assert not proof.ok
    assert any(path.open for path in proof.paths if path.kind == "internet")


# The picture.


def drawn(proof: Exposure) -> ET.Element:
    return ET.fromstring(picture(proof))


def test_the_picture_tells_open_from_closed_without_colours() -> None:
    def lines(proof: Exposure) -> tuple[int, int]:
        titled = [one for one in drawn(proof).iter(f"{SVG}path") if one.find(f"{SVG}title") is not None]
        dashed = [one for one in titled if one.get("stroke-dasharray")]
        return len(titled) - len(dashed), len(dashed)

    metal = prove(planned(ON_METAL, (), HOST_FILES), of="plan", stack="example")
    full, dashed = lines(metal)
    assert full == sum(path.open for path in metal.paths)
    assert dashed == sum(not path.open for path in metal.paths)
    open_to_all = changed(HOST_FILES, ".socket", "IPAddressDeny=any", "")
    assert lines(prove(planned(ON_METAL, (), open_to_all), of="plan", stack="example")) == (full + 1, dashed - 1)


def test_many_nodes_are_drawn_as_one() -> None:
    one = network(listener("127.0.0.1"))
    cards = tuple(msgspec.structs.replace(one.cards[0], id=f"eni-{n}", name=f"node-{n}") for n in range(128))
    many = prove(msgspec.structs.replace(one, cards=cards), of="plan", stack="tested")
    assert picture(many) == picture(prove(one, of="plan", stack="tested"))


def test_the_picture_holds_words_and_no_markup_of_others() -> None:
    proof = prove(network(listener("127.0.0.1")), of="plan", stack="<script>alert(1)</script>")
    assert "<script" not in picture(proof)
    assert "&lt;script" in picture(proof)
    empty = prove(Network(named=(), port=443), of="plan", stack="empty")
    assert drawn(empty).tag == f"{SVG}svg"


@pytest.mark.slow  # a process of its own for each run
def test_the_same_proof_is_the_same_picture_in_every_process() -> None:
    program = (
        "from tests.policies.test_exposure_listeners import *; "
        "print(picture(prove(planned(ON_METAL, (), HOST_FILES), of='plan', stack='x')))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
