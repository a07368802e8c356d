"""Every handler does what the protocol says, against the real account."""

from __future__ import annotations

import json

import pytest

from sandbox.handlers.base import Difference, Properties
from sandbox.handlers.registry import default_registry
from sandbox.handlers.resource import Resource
from tests.sandbox.handlers.cases import CASES, Case, World
from tests.sandbox.handlers.provider import provider_names

REGISTRY = default_registry()
NOT_IN_TAGGING_API = {"aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile", "aws:route53/zone:Zone"}
"""Types that the tagging API does not list, on AWS either (not in every region): a sweep asks the service itself."""


def test_every_handler_has_a_case() -> None:
    assert {case.token for case in CASES} == set(REGISTRY.handlers)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_lifecycle(case: Case, world: World) -> None:
    handler, clients = REGISTRY[case.token], world.clients
    inputs = case.inputs(world)
    if case.tagged:
        inputs["tags"] = world.tags("it")

    assert handler.find(clients, inputs) is None
    assert isinstance(handler, Resource)
    nulls = dict.fromkeys((handler.fixed | handler.in_place) - inputs.keys())
    created = handler.create(clients, {**nulls, **inputs})
    world.made(handler, created.id, inputs)
    assert created.outputs["id"] == created.id
    assert created.outputs.keys() <= {"id", *provider_names(case.token)[1]}
    for name in case.outputs:
        assert created.outputs[name] not in (None, "", [], {}), name
    if case.tagged:
        assert created.outputs["tagsAll"].items() >= inputs["tags"].items()
        _assert_swept(case, world, created.outputs)

    read = handler.read(clients, created.id, inputs)
    assert read == created.outputs
    assert handler.diff(inputs, dict(inputs)) == Difference()
    assert handler.find(clients, {**nulls, **inputs}) == created.id

    if case.replaces:
        name, value = case.replaces
        assert handler.diff(inputs, {**inputs, name: value}) == Difference((name,), replace=True)
        with pytest.raises(ValueError, match="cannot be changed in place"):
            handler.update(clients, created.id, inputs, {**inputs, name: value})

    finished = handler.update(clients, created.id, {}, inputs)
    assert finished == created.outputs

    if case.change:
        inputs = _change_in_place(case, world, created.id, inputs)
    if case.tagged:
        new = {**inputs, "tags": {**world.tags("it"), "colour": "blue"}}
        assert changed(handler.diff(inputs, new)) == ("tags",)
        assert handler.update(clients, created.id, inputs, new)["tags"] == new["tags"]
        assert handler.update(clients, created.id, new, inputs)["tags"] == inputs["tags"]

    handler.delete(clients, created.id, inputs)
    handler.delete(clients, created.id, inputs)
    assert (handler.read(clients, created.id, inputs) is not None) == case.stays


def _assert_swept(case: Case, world: World, outputs: Properties) -> None:
    """See that a sweep by tag finds the resource, and finds it alone."""
    filters = [{"Key": key, "Values": [value]} for key, value in world.tags("it").items()]
    tagging = world.clients.client("resourcegroupstaggingapi")
    arns = [one["ResourceARN"] for one in tagging.get_resources(TagFilters=filters)["ResourceTagMappingList"]]
    if case.token in NOT_IN_TAGGING_API:
        assert arns == []
    else:
        assert len(arns) == 1
        assert outputs.get("arn", arns[0]) == arns[0]


def changed(difference: Difference) -> tuple[str, ...]:
    """Return what differs, where that can be changed in place; what it renews is another test's matter."""
    assert not difference.replace
    return difference.changed


def _change_in_place(case: Case, world: World, resource_id: str, inputs: Properties) -> Properties:
    """Change what can be changed, and see that the account says so."""
    assert case.change is not None
    handler, wanted = REGISTRY[case.token], case.change(world)
    new = {**inputs, **wanted}
    assert changed(handler.diff(inputs, new)) == tuple(sorted(wanted))
    outputs = handler.update(world.clients, resource_id, inputs, new)
    seen = handler.read(world.clients, resource_id, {name: inputs[name] for name in inputs.keys() - wanted.keys()})
    assert seen is not None
    for name, value in {**wanted, **case.shows}.items():
        if name in seen:
            assert _plain(seen[name]) == _plain(case.shows.get(name, value)), name
    assert outputs == {**new, **seen}
    return new


def _plain(value: object) -> object:
    """Read a policy's text, so that its spaces do not matter."""
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
