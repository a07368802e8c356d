"""The shape of a handler: a Protocol and a registry, nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Properties = dict[str, Any]
"""Property names as Pulumi's wire writes them (camelCase), values plain JSON: no secrets' wrappers, no unknowns."""


@dataclass(frozen=True)
class Created:
    """What creating a resource gave."""

    id: str
    outputs: Properties


@dataclass(frozen=True)
class Difference:
    """How new inputs differ from those the resource was made with.

    Attributes:
        changed: the input properties that differ, in order of name.
        replace: the difference cannot be made in place.
        renewed: the outputs that the change will give another value, known only when it is made.

    """

    changed: tuple[str, ...] = ()
    replace: bool = False
    renewed: tuple[str, ...] = field(default=(), compare=False)  # follows from what changed


class Clients(Protocol):
    """boto3 clients of one account and region, made once each and safe to share between threads."""

    region: str

    def client(self, service: str) -> Any:
        """Return the client of a service, for example `ec2`."""


class Handler(Protocol):
    """Carries out one resource type. Every call may be repeated after a crash."""

    type: str
    """Pulumi type token, for example `aws:ec2/vpc:Vpc`."""

    def faults(self, inputs: Properties) -> Mapping[str, str]:
        """Return what of the inputs cannot be carried out: input -> why; pure."""

    def diff(self, old: Properties, new: Properties) -> Difference:
        """Compare inputs; pure."""

    def create(self, clients: Clients, inputs: Properties) -> Created:
        """Make the resource, with its tags in the same request wherever the API allows it.

        Raises:
            botocore.exceptions.ClientError: the account refused.

        """

    def find(self, clients: Clients, inputs: Properties) -> str | None:
        """Return the id of a resource that an interrupted `create` with these inputs left behind, if there is one."""

    def read(self, clients: Clients, resource_id: str, inputs: Properties) -> Properties | None:
        """Return the outputs as they are now; None when the resource is gone."""

    def update(self, clients: Clients, resource_id: str, old: Properties, new: Properties) -> Properties:
        """Change in place what `diff` called changed, and return the new outputs."""

    def delete(self, clients: Clients, resource_id: str, inputs: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""


@dataclass(frozen=True)
class Registry:
    """Handlers by type token. A type that is not here is an error, never silently accepted."""

    handlers: Mapping[str, Handler] = field(default_factory=dict)

    def __getitem__(self, token: str) -> Handler:
        """Return the handler of a type.

        Raises:
            LookupError: no handler carries out this type.

        """
        try:
            return self.handlers[token]
        except KeyError:
            known = ", ".join(sorted(self.handlers))
            raise LookupError(f"no handler for resource type {token!r}; known: {known}") from None

    def __contains__(self, token: object) -> bool:
        """Tell whether a type can be carried out."""
        return token in self.handlers
