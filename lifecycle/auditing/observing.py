"""One resource as the account has it, in the shape in which the program registered it."""

from __future__ import annotations

from lifecycle.auditing.further import FURTHER, OF_THE_PROGRAM
from planner.resources import UNKNOWN, Resource
from sandbox.handlers.base import Clients, Registry
from sandbox.handlers.resource import Resource as Handler
from sandbox.handlers.resource import Target, given

NAMING = frozenset({"autoscalingGroupName", "bucket", "name", "role", "securityGroupId", "vpcId", "zoneId"})
"""Properties by which a resource says whose part it is: of one that cannot be read these alone are kept."""


def observe(clients: Clients, resource: Resource, registry: Registry) -> Resource | None:
    """Return a resource with what the account says of it, and nothing of what was asked for; None when it is gone.

    What was asked for and the account was not asked about is UNKNOWN: a rule that needs it says so, and does not pass.
    It depends on nothing: whose part it is must show in what the account says.

    Raises:
        ClientError, BotoCoreError: it cannot be read.

    """
    handler = registry[resource.type]
    if not isinstance(handler, Handler):
        raise TypeError(f"{resource.type} has a handler that does not describe")
    target = Target(clients, resource.id, given(dict(resource.inputs)))
    record = handler.describe(target)
    if record is None:
        return None
    seen = handler.outputs(target, record)
    if resource.type in FURTHER:
        seen = {**seen, **FURTHER[resource.type](target, record)}
    ours = OF_THE_PROGRAM.get(resource.type, frozenset())
    asked = {name: value if name in ours else UNKNOWN for name, value in target.inputs.items() if name not in seen}
    return Resource(
        type=resource.type,
        name=resource.name,
        urn=resource.urn,
        inputs={**asked, **seen},
        outputs=seen,
        id=resource.id,
        parent=resource.parent,
    )


def dark(resource: Resource) -> Resource:
    """Return a resource of which nothing but its name and place is known."""
    inputs = {name: value if name in NAMING else UNKNOWN for name, value in resource.inputs.items()}
    return Resource(type=resource.type, name=resource.name, urn=resource.urn, inputs=inputs, id=resource.id)
