"""The host's firewall drops what nobody named: in, out and through."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.nftables import Chain, chains
from policies.readers import on_firewall
from policies.rule import Answer, Example, Rule, Violated

HOOKS = ("input", "forward", "output")
LETS_PASS = re.compile(r"\b(accept|queue|dnat|redirect|masquerade|snat)\b")
LOOPBACK = re.compile(r'[io]if(name)? "?lo"?')
FOLLOWED = re.compile(r"ct state (\{ ?)?(established|related)(, ?(established|related))?( ?\})? accept")
CONTROL = re.compile(r"icmp(v6)? type \{?[^}]*\}?")
PORT = re.compile(r"\b(tcp|udp) dport (\d+(-\d+)?|\{[^}]*\})")
NETWORK = re.compile(r"\bip6? [sd]addr (\{[^}]*\}|\S+)")
ANYWHERE = ("0.0.0.0/0", "::/0", "!=")
LEASES = re.compile(r"udp sport (67|68|546|547) udp dport (67|68|546|547) accept")


def _judge(text: str) -> Iterator[Answer]:
    found = tuple(chains(text))
    for hook in HOOKS:
        mine = [chain for chain in found if chain.hook == hook]
        if not mine:
            yield Violated(f"nothing filters what comes by the hook {hook}, so everything passes")
        elif not any(chain.policy == "drop" for chain in mine):
            yield Violated(f"what no rule names passes: the policy of {mine[0].name} is {mine[0].policy}, not drop")
    for chain in found:
        yield from _rules(chain)


def _rules(chain: Chain) -> Iterator[Answer]:
    for rule in chain.rules:
        if LETS_PASS.search(rule) and not _is_named(rule, chain):
            yield Violated(f"{chain.name} lets pass what names no port and network: `{rule}`")


def _is_named(rule: str, chain: Chain) -> bool:
    """Tell whether a rule lets pass no more than it must."""
    if LOOPBACK.match(rule) or FOLLOWED.fullmatch(rule) or LEASES.search(rule):
        return rule.endswith("accept")
    if CONTROL.search(rule) and "dport" not in rule:
        return chain.hook != "forward"
    network, port = NETWORK.search(rule), PORT.search(rule)
    return bool(network and port and _closed(port[2]) and not any(all_ in network[1] for all_ in ANYWHERE))


def _closed(ports: str) -> bool:
    """Tell whether ports are named one by one: a range is not."""
    return "-" not in ports


def _text(policy: str = "drop", rule: str = "", out: str = "drop", hook: str = "output") -> dict[str, str]:
    lines = (
        "table inet cloister {",
        "    chain in {",
        f"        type filter hook input priority filter; policy {policy};",
        '        iifname "lo" accept',
        "        ct state established,related accept",
        '        ip saddr { 10.0.0.0/8 } tcp dport 443 accept comment "endpoint"',
        f"        {rule}",
        "    }",
        "    chain through {",
        "        type filter hook forward priority filter; policy drop;",
        "    }",
        "    chain out {",
        f"        type filter hook {hook} priority filter; policy {out};",
        "    }",
        "}",
    )
    return {"/etc/cloister/firewall.nft": "\n".join(lines) + "\n"}


RULE = Rule(
    id="firewall-default-deny",
    title="The host's firewall drops everything but named ports of named networks",
    family="hosts",
    severity="critical",
    why=(
        "A service that listens by mistake is reached by whoever shares the network, and an intruder's program calls "
        "home by any port that is open outwards. What no rule names is therefore dropped, in both directions."
    ),
    remediation=(
        "Name clients in `network.client_cidrs`, and ways out in the inventory; `deploy up` puts the rules in force, "
        "and `deploy audit` reads those that are."
    ),
    controls=("cis-debian 4.3.8", "cis-ubuntu 4.3.8", "nist SC-7", "iso27001 A.8.20", "soc2 CC6.6"),
    references=("https://wiki.nftables.org/wiki-nftables/index.php/Configuring_chains",),
    good=(
        Example("one port for one network", files=_text()),
        Example("a name server, named", files=_text(rule="ip saddr 10.1.2.3 udp dport 53 accept")),
        Example("an answer to pings", files=_text(rule="limit rate 10/second icmp type echo-request accept")),
    ),
    bad=(
        Example("a policy that accepts", files=_text(policy="accept")),
        Example("everything out", files=_text(out="accept")),
        Example("nothing that filters what goes out", files=_text(hook="postrouting")),
        Example("a port for everybody", files=_text(rule="tcp dport 22 accept")),
        Example("a port for the internet, named", files=_text(rule="ip saddr { 0.0.0.0/0 } tcp dport 443 accept")),
        Example("every port for a network", files=_text(rule="ip saddr { 10.0.0.0/8 } accept")),
        Example("all ports as a range", files=_text(rule="ip saddr 10.0.0.0/8 tcp dport 1-65535 accept")),
        Example("everything", files=_text(rule="accept")),
        Example("new connections beside established ones", files=_text(rule="ct state established,new accept")),
    ),
    on_hosts=on_firewall(_judge),
)
