"""Nobody has a key to a node that outlives a visit."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, NotKnown, Rule, Violated
from policies.values import at, is_set

NODES = ("aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate")
KEYS = re.compile(r"authorized_keys|ssh_authorized_keys|\bssh-(?:rsa|ed25519) AAAA")


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge whether a node is made with a key."""
    if is_set(at(resource.inputs, "keyName")):
        yield Violated(f"whoever has the key {at(resource.inputs, 'keyName')} comes in for ever (`keyName`)")
    script = at(resource.inputs, "userData")
    if script is UNKNOWN:
        yield NotKnown("userData")
    elif KEYS.search(_decoded(script)):
        yield Violated("its first script lets in a key for ever (`userData`)")


def _decoded(script: Any) -> str:
    text = str(script or "")
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


RULE = Rule(
    id="no-standing-ssh-keys",
    title="Nodes are made without SSH keys",
    family="identity",
    severity="high",
    why=(
        "A key pair that was put on a node when it was made opens it until it is gone, for whoever has a copy. Whoever "
        "left the company last year has one."
    ),
    remediation="Leave `keyName` out: `deploy ssh` pushes a key that is good for a minute, and IAM says who may.",
    controls=("nist AC-17", "nist IA-5", "iso27001 A.5.17", "soc2 CC6.1"),
    references=("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/connect-linux-inst-eic.html",),
    good=(
        Example("no key", (examples.resource(NODES[1], "node"),)),
        Example("a script that lets in nobody", (examples.resource(NODES[1], "node", userData="IyEvYmluL3NoCg=="),)),
    ),
    bad=(
        Example("a key pair", (examples.resource(NODES[1], "node", keyName="ops"),)),
        Example("a key pair of one node", (examples.resource(NODES[0], "node-0", keyName="ops"),)),
        Example(
            "a key by script",
            (examples.resource(NODES[0], "node-0", userData="echo ssh-ed25519 AAAAC3 >> .ssh/authorized_keys"),),
        ),
    ),
    on_resource=by_type(dict.fromkeys(NODES, on_resource)),
)
