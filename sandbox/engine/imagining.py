"""The program run to its end with nothing behind it: every resource gets an id that is made up.

Where `previewing` leaves ids open, so that nobody takes them for real, here each has one: who refers to whom can be
followed through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from planner.resources import Resource
from sandbox.engine.monitor import Monitor, Registered, Registration
from sandbox.engine.program import run

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Imagining:
    """Answers registrations with what they ask for, and ids and addresses made up from their names."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.resources: list[Resource] = []
        self._answers = answers
        self._lock = threading.Lock()

    def register(self, registration: Registration) -> Registered:
        """Note the resource."""
        name = registration.name
        made_up = {
            "arn": f"arn:aws:imagined:::{name}",
            "availabilityZone": registration.inputs.get("availabilityZone", ""),
            "latestVersion": 1,
            "prefixListId": f"pl-{name}",
            "privateIp": f"address of {name}",
            "zoneId": name,
        }
        outputs = {**made_up, **registration.inputs}
        resource = Resource(
            type=registration.type,
            name=name,
            urn=registration.urn,
            inputs=registration.inputs,
            outputs=outputs,
            id=name if registration.custom else "",
            parent=registration.parent,
            dependencies=registration.dependencies,
        )
        with self._lock:
            self.resources.append(resource)
        return Registered(id=resource.id, outputs=outputs)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a data source with what is known without an account."""
        return self._answers[token](arguments)


def imagine(
    program: Callable[[], None], answers: dict[str, Answer], *, project: str, stack: str
) -> tuple[Resource, ...]:
    """Return what a program registers, as it would be, with the names of resources for their ids.

    Args:
        program: an ordinary Pulumi program.
        answers: data source -> what is known of it without an account.
        project: part of every URN.
        stack: part of every URN.

    Raises:
        Exception: what the program raises, or what is wrong with the first registration that is refused.

    """
    carrier = Imagining(answers)
    monitor = Monitor(carrier)
    try:
        run(program, monitor, project=project, stack=stack, preview=False)
    finally:
        for failure in monitor.failures.values():
            raise failure
    return tuple(carrier.resources)
