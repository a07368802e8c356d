"""One call of the API, as an operation sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.aws.region import Region
from sandbox.aws.wire import Response


class Forward(Protocol):
    """Lets moto answer."""

    def __call__(self, parameters: Mapping[str, Any] | None = None) -> Response:
        """Return moto's answer to the request as it came, or to the same operation with other parameters."""


@dataclass(frozen=True)
class Call:
    """A call.

    Attributes:
        region: the state it acts on.
        parameters: in the API's own names and types.
        forward: lets moto answer it.

    """

    region: Region
    parameters: dict[str, Any]
    forward: Forward


Operation = Callable[[Call], object]
"""Carries out a call: returns the result in the API's own names, or a `Response` of `forward`; raises `AwsError`."""
