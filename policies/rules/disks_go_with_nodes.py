"""A node leaves no disk behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.resources import Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, Rule
from policies.values import at, each, is_on, is_set, require

INSTANCE = "aws:ec2/instance:Instance"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def _on_template(template: Resource) -> Iterator[Answer]:
    for path, mapping in each(template.inputs, "blockDeviceMappings"):
        if is_set(at(mapping, "ebs")):
            what = f"disk {at(mapping, 'deviceName')}"
            yield from _goes(at(mapping, "ebs", "deleteOnTermination"), f"{path}.ebs", what)
    for path, interface in each(template.inputs, "networkInterfaces"):
        yield from _goes(at(interface, "deleteOnTermination"), path, "a network interface")


def _on_instance(instance: Resource) -> Iterator[Answer]:
    root = at(instance.inputs, "rootBlockDevice", "deleteOnTermination")
    if root is not None:  # else as the template or the image says, which is judged there
        yield from _goes(root, "rootBlockDevice", "the root disk")
    for path, disk in each(instance.inputs, "ebsBlockDevices"):
        yield from _goes(at(disk, "deleteOnTermination"), path, f"disk {at(disk, 'deviceName')}")


def _goes(value: Any, path: str, what: str) -> Iterator[Answer]:
    message = f"{what} stays when the node ends (`{path}.deleteOnTermination`)"
    return require(value, is_on, f"{path}.deleteOnTermination", message)


def _template(**ebs: Any) -> tuple[Resource, ...]:
    mapping = {"deviceName": "/dev/sda1", "ebs": {"encrypted": "true", **ebs}}
    return (examples.resource(TEMPLATE, "node", blockDeviceMappings=[mapping]),)


RULE = Rule(
    id="disks-go-with-nodes",
    title="Disks and addresses go with their node",
    family="lifecycle",
    severity="medium",
    why=(
        "A disk that stays behind holds prompts, logs and weights that nobody looks after. It is found by whoever "
        "may list disks, and is paid for until then."
    ),
    remediation="Set `deleteOnTermination` in the launch template; `deploy sweep` finds what stayed.",
    controls=("nist MP-6", "iso27001 A.8.10", "soc2 C1.2"),
    references=("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/preserving-volumes-on-termination.html",),
    good=(
        Example("a disk that goes", _template(deleteOnTermination="true")),
        Example(
            "a node with its template's disks", (examples.resource(INSTANCE, "node-0", launchTemplate={"id": "x"}),)
        ),
    ),
    bad=(
        Example("a disk that stays", _template(deleteOnTermination="false")),
        Example("a disk of which nothing is said", _template()),
        Example(
            "a node whose disk stays",
            (examples.resource(INSTANCE, "n", rootBlockDevice={"deleteOnTermination": False}),),
        ),
        Example(
            "an address that stays",
            (
                examples.resource(
                    TEMPLATE, "node", networkInterfaces=[{"deviceIndex": 0, "deleteOnTermination": "false"}]
                ),
            ),
        ),
    ),
    on_resource=by_type({TEMPLATE: _on_template, INSTANCE: _on_instance}),
)
