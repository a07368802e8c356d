"""What the handlers have in common: comparing inputs, tags that tell whose a resource is, and the order of calls.

A handler says which inputs it carries out (`fixed` and `in_place`); any other input is refused, never ignored. Creating
is one call of the API, `make`, and whatever must follow it, `complete`, which can be repeated. So a resource that an
interrupted creation left behind is found by `find`, and made whole by `update` from no inputs at all.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.tags import RESOURCE_TAG, STACK_TAG
from sandbox.handlers.base import Clients, Created, Difference, Properties
from sandbox.handlers.unanswered import insist

Record = Mapping[str, Any]
"""A resource as the API describes it."""


@dataclass(frozen=True)
class Target:
    """A resource that something is done to.

    Attributes:
        clients: of the account it is in.
        id: its id.
        inputs: what it was asked to be.

    """

    clients: Clients
    id: str
    inputs: Properties

    @property
    def ec2(self) -> Any:
        """The EC2 client."""
        return self.clients.client("ec2")


@dataclass(frozen=True)
class Change(Target):
    """A change in place: `inputs` are the new ones.

    Attributes:
        old: the inputs until now.
        names: the inputs that differ.

    """

    old: Properties
    names: frozenset[str]


def given(inputs: Properties) -> Properties:
    """Return the inputs that are set: null means absent."""
    return {name: value for name, value in inputs.items() if value is not None}


def own_tags(inputs: Properties) -> dict[str, str]:
    """Return those of the tags that tell whose the resource is; empty when the program does not set both."""
    tags = inputs.get("tags") or {}
    mine = {key: tags[key] for key in (RESOURCE_TAG, STACK_TAG) if key in tags}
    return mine if len(mine) == 2 else {}


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Return tags as most of AWS's APIs write them."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def tag_outputs(tags: Iterable[Mapping[str, str]] | None) -> Properties:
    """Return the outputs that every tagged resource has, from the API's list; tags that AWS sets are left out."""
    own = {tag["Key"]: tag["Value"] for tag in tags or [] if not tag["Key"].startswith("aws:")}
    return {"tags": own, "tagsAll": own}


class Resource(ABC):
    """Base of the handlers; fits the `Handler` protocol."""

    type: str
    fixed: frozenset[str] = frozenset()
    """Inputs whose change means replacement."""
    in_place: frozenset[str] = frozenset()
    """Inputs that can be changed."""
    required: frozenset[str] = frozenset()
    """Inputs that must be there. Names are: the handlers invent none."""
    unordered: frozenset[str] = frozenset()
    """Lists whose order means nothing."""
    documents: frozenset[str] = frozenset()
    """JSON texts: compared as what they say."""

    # What each type does.

    @abstractmethod
    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the resource with one call, its tags included where the API allows it, and return its id."""

    def complete(self, target: Target) -> None:  # noqa: B027  # most types need nothing more
        """Do what must follow `make`. It may be done again."""

    @abstractmethod
    def describe(self, target: Target) -> Record | None:
        """Return the resource as the API describes it; None when it is gone."""

    @abstractmethod
    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says about the resource, under the provider's names."""

    @abstractmethod
    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the resources (id, description) that could be the one with these inputs: by its tags, or its name."""

    def fits(self, inputs: Properties, record: Record) -> bool:  # most outputs say it all
        """Tell whether a candidate was made with these inputs, as far as its outputs do not show it."""
        return True

    def change(self, change: Change) -> None:  # noqa: B027  # some types change their tags alone
        """Change in place what differs, tags aside."""

    def retag(self, change: Change) -> None:
        """Change the tags."""
        raise NotImplementedError(f"{self.type} has no tags")

    @abstractmethod
    def remove(self, target: Target) -> None:
        """Remove the resource and wait until it is gone; one that is gone already is no error."""

    def replaces(self, name: str, old: Properties, new: Properties) -> bool:  # some types look closer
        """Tell whether the change of one input means replacement."""
        return name not in self.in_place

    def renews(self, names: frozenset[str]) -> frozenset[str]:
        """Return the outputs that a change of these inputs gives another value."""
        return frozenset({"tagsAll"}) if "tags" in names else frozenset()

    # What all do alike.

    def faults(self, inputs: Properties) -> dict[str, str]:
        """Return what of the inputs cannot be carried out."""
        inputs = given(inputs)
        unknown = inputs.keys() - self.fixed - self.in_place - {"region"}
        faults = {name: f"this handler does not carry out {name}" for name in sorted(unknown)}
        return faults | {name: f"it needs {name}" for name in sorted(self.required - inputs.keys())}

    def diff(self, old: Properties, new: Properties) -> Difference:
        """Compare inputs."""
        names = sorted(name for name in old.keys() | new.keys() if not self._same(name, old.get(name), new.get(name)))
        return Difference(
            tuple(names),
            replace=any(self.replaces(name, old, new) for name in names),
            renewed=tuple(sorted(self.renews(frozenset(names)))),
        )

    def create(self, clients: Clients, inputs: Properties) -> Created:
        """Make the resource, and return it as it is then."""
        inputs = given(inputs)
        self._check(clients, inputs)
        made = insist(lambda: self.make(clients, inputs), lambda: self.find(clients, inputs))
        target = Target(clients, made, inputs)
        insist(lambda: self.complete(target))
        return Created(target.id, self._now(target))

    def find(self, clients: Clients, inputs: Properties) -> str | None:
        """Return the id of what an interrupted `create` left; `update` from no inputs makes it whole."""
        inputs = given(inputs)
        for resource_id, record in self.candidates(clients, inputs):
            seen = self.outputs(Target(clients, resource_id, inputs), record)
            comparable = self.fixed & inputs.keys() & seen.keys()
            if all(self._same(name, inputs[name], seen[name]) for name in comparable) and self.fits(inputs, record):
                return resource_id
        return None

    def read(self, clients: Clients, resource_id: str, inputs: Properties) -> Properties | None:
        """Return the outputs as they are now; None when the resource is gone."""
        target = Target(clients, resource_id, given(inputs))
        record = self.describe(target)
        if record is None:
            return None
        return {**target.inputs, "id": resource_id, **self.outputs(target, record)}

    def update(self, clients: Clients, resource_id: str, old: Properties, new: Properties) -> Properties:
        """Change in place what differs. From no old inputs at all, finish a creation that was interrupted."""
        old, new = given(old), given(new)
        self._check(clients, new)
        target = Target(clients, resource_id, new)
        if not old:
            insist(lambda: self.complete(target))
            return self._now(target)
        difference = self.diff(old, new)
        if difference.replace:
            raise ValueError(f"{self.type} {resource_id} cannot be changed in place: {', '.join(difference.changed)}")
        change = Change(clients, resource_id, new, old, frozenset(difference.changed))
        insist(lambda: self.change(change))
        if "tags" in change.names:
            self.retag(change)
        return self._now(target)

    def delete(self, clients: Clients, resource_id: str, inputs: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""
        self.remove(Target(clients, resource_id, given(inputs)))

    def _now(self, target: Target) -> Properties:
        outputs = self.read(target.clients, target.id, target.inputs)
        if outputs is None:
            raise LookupError(f"{self.type} {target.id} is gone right after it was made or changed")
        return outputs

    def _check(self, clients: Clients, inputs: Properties) -> None:
        if faults := self.faults(inputs):
            raise ValueError(f"{self.type}: {', '.join(faults.values())}")
        if inputs.get("region", clients.region) != clients.region:
            raise ValueError(f"{self.type}: region {inputs['region']} is not {clients.region}")

    def _same(self, name: str, one: Any, other: Any) -> bool:
        return bool(self._plain(name, one) == self._plain(name, other))

    def _plain(self, name: str, value: Any) -> Any:
        """Return an input in a form in which equal means the same."""
        if name in self.documents and isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return value
        if name in self.unordered and isinstance(value, list):
            # What is decided later has no JSON, but a place in the order all the same.
            return sorted(value, key=lambda item: json.dumps(item, sort_keys=True, default=repr))
        return value
