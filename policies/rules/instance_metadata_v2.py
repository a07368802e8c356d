"""A node's credentials are handed out to a session on the node itself, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, Rule, Stack
from policies.values import at, is_set, must_be_own, require

INSTANCE = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"

HOPS = 1
"""An answer that may travel one hop stays on the node: a container behind its own bridge is the second."""


def _on_instance(instance: Resource) -> Iterator[Answer]:
    from_template = is_set(at(instance.inputs, "launchTemplate"))
    if not from_template or is_set(at(instance.inputs, "metadataOptions")):
        yield from _options(instance)


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge where a node's template comes from: one from elsewhere may say anything."""
    for instance in stack.of_type(INSTANCE):
        template = at(instance.inputs, "launchTemplate")
        if not is_set(template) or is_set(at(instance.inputs, "metadataOptions")):
            continue
        yield from must_be_own(stack, instance, "launchTemplate.id", LAUNCH_TEMPLATE)


def _options(resource: Resource) -> Iterator[Answer]:
    options = at(resource.inputs, "metadataOptions")
    if at(options, "httpEndpoint") == "disabled":
        return
    yield from _must_be(options, "httpTokens", "required", "the metadata service answers without a session token")
    yield from _must_be(options, "httpPutResponseHopLimit", HOPS, "metadata may travel beyond the node")


def _must_be(options: Any, name: str, wanted: object, otherwise: str) -> Iterator[Answer]:
    value = at(options, name)
    message = f"{otherwise}: `metadataOptions.{name}` is {value!r}, not {wanted!r}"
    return require(value, lambda found: found == wanted, f"metadataOptions.{name}", message)


_OPTIONS = {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}
_TEMPLATE = examples.resource(LAUNCH_TEMPLATE, "node", metadataOptions=_OPTIONS)

RULE = Rule(
    id="instance-metadata-v2",
    title="Node credentials need an IMDSv2 session and stay on the node",
    family="identity",
    severity="high",
    why=(
        "A server-side request forgery, for example through an image URL in a prompt, can read the node's credentials "
        "from the first version of the metadata service with a plain GET. The second version asks for a session that "
        "such a request cannot open, and one hop keeps containers from opening it."
    ),
    remediation=(
        "No profile field loosens this: give the launch template `metadataOptions` with `httpTokens: required` and "
        "`httpPutResponseHopLimit: 1`, then run `deploy plan`."
    ),
    controls=("cis-aws 5.7", "nist AC-6", "iso27001 A.8.9", "soc2 CC6.1"),
    references=(
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-IMDS-new-instances.html",
    ),
    good=(
        Example("a launch template that requires a session", (_TEMPLATE,)),
        Example(
            "a node made from it",
            (
                _TEMPLATE,
                examples.resource(INSTANCE, "node-0", after=(_TEMPLATE,), launchTemplate={"id": UNKNOWN}),
            ),
        ),
        Example(
            "a node with no metadata service at all",
            (examples.resource(INSTANCE, "node-0", metadataOptions={"httpEndpoint": "disabled"}),),
        ),
    ),
    bad=(
        Example(
            "the first version still answers",
            (examples.resource(LAUNCH_TEMPLATE, "node", metadataOptions={**_OPTIONS, "httpTokens": "optional"}),),
        ),
        Example(
            "containers reach it",
            (examples.resource(LAUNCH_TEMPLATE, "node", metadataOptions={**_OPTIONS, "httpPutResponseHopLimit": 2}),),
        ),
        Example("nothing is said, so the account's default applies", (examples.resource(LAUNCH_TEMPLATE, "node"),)),
        Example(
            "a node that undoes its template",
            (
                _TEMPLATE,
                examples.resource(
                    INSTANCE,
                    "node-0",
                    after=(_TEMPLATE,),
                    launchTemplate={"id": UNKNOWN},
                    metadataOptions={"httpTokens": "optional"},
                ),
            ),
        ),
        Example(
            "a node from a foreign template",
            (examples.resource(INSTANCE, "node-0", launchTemplate={"id": "lt-0123456789abcdef0"}),),
        ),
    ),
    on_resource=by_type({LAUNCH_TEMPLATE: _options, INSTANCE: _on_instance}),
    on_stack=on_stack,
)
