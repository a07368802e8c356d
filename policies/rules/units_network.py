"""Only the proxy talks to the network; everything else to this host."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from policies import examples
from policies.files import Unit
from policies.readers import on_programs
from policies.rule import Answer, Example, Rule, Violated
from policies.sandboxing import ON, is_proxy

FAMILIES = frozenset({"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"})
"""Kinds of sockets that a service may need; AF_NETLINK tells which interfaces there are."""
LOCAL = ("localhost", "127.0.0.0/8", "127.0.0.1", "127.0.0.1/32", "::1", "::1/128")
OUTWARD = ("cloister-logs",)
"""The service that sends records to the account's store, whose addresses nobody knows beforehand."""
MOST_ADDRESSES = 256
"""Of a network that a replica's nodes may share."""


def _judge(unit: Unit) -> Iterator[Answer]:
    if (unit.value("PrivateNetwork") or "").lower() in ON:
        return
    if (
        not unit.is_container
    ):  # Podman's own filter of calls is around one, and without capabilities it sends no packets
        yield from _families(unit)
    if is_proxy(unit) or unit.name.startswith(OUTWARD):
        return
    if unit.words("IPAddressDeny") != ("any",):
        yield Violated("it may talk to every address (`IPAddressDeny=any` is missing)")
    for address in unit.words("IPAddressAllow") or ():
        if address not in LOCAL and not is_narrow(address):
            yield Violated(f"it may talk to {address} (`IPAddressAllow`)")


def _families(unit: Unit) -> Iterator[Answer]:
    families = unit.words("RestrictAddressFamilies")
    if families is None:
        yield Violated("it may open sockets of every kind (`RestrictAddressFamilies` is missing)")
    elif extra := sorted({word for word in families if word != "none"} - FAMILIES):
        yield Violated(f"it may open sockets of the kind {extra[0]} (`RestrictAddressFamilies`)")


def is_narrow(address: str) -> bool:
    """Tell whether an address or network is private, and small enough to have been meant."""
    try:
        network = ip_network(address)
    except ValueError:
        return False
    return network.is_private and network.num_addresses <= MOST_ADDRESSES


RULE = Rule(
    id="units-network",
    title="Services behind the proxy talk to this host alone",
    family="hosts",
    severity="high",
    why=(
        "A service that was broken into calls home first, and then sends away what it can read. Filters of the "
        "kernel on its unit stop that, whatever the firewall says."
    ),
    remediation=(
        "Give the unit `IPAddressDeny=any` and `IPAddressAllow=localhost`; `deploy verify` looks at what listens."
    ),
    controls=("nist SC-7", "nist AC-4", "iso27001 A.8.22", "soc2 CC6.6"),
    references=("https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html",),
    good=(
        Example("a container that talks to this host", files=examples.quadlet()),
        Example("this host alone", files=examples.unit()),
        Example(
            "the proxy, whose clients are elsewhere", files=examples.unit({"IPAddressDeny": ...}, "cloister-traefik")
        ),
        Example("no network at all", files=examples.unit({"IPAddressDeny": ..., "PrivateNetwork": "yes"})),
    ),
    bad=(
        Example("a container that talks to everybody", files=examples.quadlet(service={"IPAddressDeny": ...})),
        Example("every address", files=examples.unit({"IPAddressDeny": ...})),
        Example("the internet", files=examples.unit({"IPAddressAllow": "localhost 0.0.0.0/0"})),
        Example("packets as it likes", files=examples.unit({"RestrictAddressFamilies": "AF_INET AF_PACKET"})),
        Example("every kind of socket", files=examples.unit({"RestrictAddressFamilies": ...})),
    ),
    on_files=on_programs(_judge),
)
