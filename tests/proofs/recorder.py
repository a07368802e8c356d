"""Every request that this process sends to AWS, whichever client sends it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.client import ClientCreator
from botocore.model import OperationModel


@dataclass(frozen=True)
class Call:
    """One request, as it is before it becomes bytes: tokens that botocore adds are there."""

    service: str
    """As the client is called: `ec2`, `resourcegroupstaggingapi`."""
    operation: str
    parameters: dict[str, Any]
    model: OperationModel

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"

    @property
    def changes(self) -> bool:
        """Whether it is more than a look."""
        return not self.operation.startswith(("Describe", "Get", "List", "Head"))


@contextmanager
def recording() -> Iterator[list[Call]]:
    """Give the list that the calls of all clients made from now on are added to, in order."""
    calls: list[Call] = []
    make = ClientCreator.create_client

    def create_client(self: ClientCreator, service_name: str, *arguments: Any, **options: Any) -> Any:
        client = make(self, service_name, *arguments, **options)

        def note(params: dict[str, Any], model: OperationModel, **_: Any) -> None:
            told = {key: "<file>" if hasattr(value, "read") else copy.deepcopy(value) for key, value in params.items()}
            calls.append(Call(service_name, model.name, told, model))

        client.meta.events.register_last("before-parameter-build", note)
        return client

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientCreator, "create_client", create_client)
        yield calls
