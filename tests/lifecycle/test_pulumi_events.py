"""What the real engine tells, as events of ours; without the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from lifecycle.pulumi_events import Told, noting
from sandbox.engine.changes import Event

VPC = "aws:ec2/vpc:Vpc"
URN = f"urn:pulumi:s::p::cloister:aws:Network${VPC}::vpc"


def step(kind: str, op: str, *, token: str = VPC, custom: bool = True, diffs: Any = None) -> EngineEvent:
    state = {"type": token, "urn": URN, "id": "", "parent": "", "provider": "", "custom": custom}
    side = "old" if op.startswith("delete") else "new"
    metadata = {"op": op, "urn": URN, "type": token, "provider": "", side: state, "diffs": diffs}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, kind: {"metadata": metadata}})


def diagnostic(message: str, severity: str = "error", urn: str = URN) -> EngineEvent:
    body = {"message": message, "color": "raw", "severity": severity, "urn": urn}
    return EngineEvent.from_json({"diagnosticEvent": body})


@pytest.mark.parametrize(
    ("op", "ours"),
    [
        ("create", "create"),
        ("update", "update"),
        ("delete", "delete"),
        ("create-replacement", "replace"),
        ("delete-replaced", "delete"),
    ],
)
def test_an_operation_begins_and_ends(op: str, ours: str) -> None:
    events: list[Event] = []
    told = Told(events.append)
    told(step("resourcePreEvent", op))
    told(step("resOutputsEvent", op, diffs=["tags"]))
    assert [(event.phase, event.op, event.type, event.name) for event in events] == [
        ("started", ours, VPC, "vpc"),
        ("done", ours, VPC, "vpc"),
    ]
    assert [(change.op, change.urn, change.properties) for change in told.changes] == [(ours, URN, ("tags",))]


@pytest.mark.parametrize(
    "event",
    [
        step("resOutputsEvent", "replace"),
        step("resOutputsEvent", "create", token="pulumi:providers:aws"),
        step("resOutputsEvent", "create", token="pulumi:pulumi:Stack", custom=False),
        step("resOutputsEvent", "create", token="cloister:aws:Network", custom=False),
    ],
    ids=["a mere step", "a provider", "the stack", "a component"],
)
def test_what_is_no_operation_on_a_resource_is_not_told(event: EngineEvent) -> None:
    events: list[Event] = []
    told = Told(events.append)
    told(event)
    assert (events, told.changes) == ([], [])


def test_what_stays_the_same_is_a_change_and_no_event() -> None:
    events: list[Event] = []
    told = Told(events.append)
    told(step("resourcePreEvent", "same"))
    told(step("resOutputsEvent", "same"))
    assert (events, [change.op for change in told.changes]) == ([], ["same"])


def test_failures_are_told_in_plain_words() -> None:
    events: list[Event] = []
    told = Told(events.append)
    told(step("resourcePreEvent", "create"))
    told(step("resOpFailedEvent", "create"))
    told(diagnostic("<{%fg 1%}>error: <{%reset%}>VpcLimitExceeded: enough<{%reset%}>\n"))
    told(diagnostic("another word of the same resource"))
    told(diagnostic("update failed", urn=""))
    told(diagnostic("only a warning", severity="warning", urn="u"))
    assert told.failures == {URN: "VpcLimitExceeded: enough"}
    assert ([event.phase for event in events], told.changes) == (["started", "failed"], [])


def test_violations_are_kept() -> None:
    told = Told(lambda _: None)
    body = {
        "message": "<{%bold%}>no way out<{%reset%}>",
        "color": "raw",
        "policyName": "no-internet-path",
        "policyPackName": "cloister",
        "policyPackVersion": "1",
        "policyPackVersionTag": "1",
        "enforcementLevel": "mandatory",
        "resourceUrn": URN,
    }
    told(EngineEvent.from_json({"policyEvent": body}))
    (violation,) = told.violations
    assert (violation.policy, violation.level, violation.urn, violation.message) == (
        "no-internet-path",
        "mandatory",
        URN,
        "no way out",
    )


class Heard:
    def __init__(self) -> None:
        self.words: list[tuple[str, str]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        yield

    def note(self, text: str) -> None:
        self.words.append(("note", text))

    def warn(self, text: str) -> None:
        self.words.append(("warn", text))


def test_a_person_hears_of_what_is_slow_and_what_fails() -> None:
    heard = Heard()
    listen = noting(heard)
    listen(Event(phase="started", op="create", type=VPC, name="vpc"))
    listen(Event(phase="done", op="create", type=VPC, name="vpc", seconds=0.3))
    listen(Event(phase="done", op="create", type=VPC, name="slow", seconds=61.4))
    listen(Event(phase="failed", op="delete", type=VPC, name="stuck", seconds=9))
    assert heard.words == [
        ("note", f"create of {VPC} 'slow': 61 s"),
        ("warn", f"delete of {VPC} 'stuck' failed after 9 s"),
    ]
