"""Small Pulumi programs, written as graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pulumi

from sandbox.engine import Engine
from tests.sandbox.engine.fakes import ONLY, THING, Account, MortalState, fake_registry


class Node(msgspec.Struct, frozen=True):
    """One resource. `refs` are names whose ids it uses; `after` are names that it only waits for."""

    size: int = 1
    shape: str = "round"
    refs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    only: bool = False


Graph = Mapping[str, Node]


class Thing(pulumi.CustomResource):
    arn: pulumi.Output[str]

    def __init__(self, kind: str, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(kind, name, {"arn": None, **inputs}, opts)


class Group(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fake:x:Group", name, None, opts)
        self.register_outputs({})


def thing(
    name: str, opts: pulumi.ResourceOptions | None = None, *, kind: str = THING, refs: Any = (), **inputs: Any
) -> Thing:
    return Thing(kind, name, {"name": name, "size": 1, "shape": "round", "refs": list(refs), **inputs}, opts)


def program(graph: Graph) -> Callable[[], None]:
    """Return the program that registers a graph, whose nodes are named after what they need."""

    def run() -> None:
        made: dict[str, Thing] = {}
        for name, node in graph.items():
            made[name] = thing(
                name,
                pulumi.ResourceOptions(
                    depends_on=[made[other] for other in node.after],
                    delete_before_replace=node.only or None,
                ),
                kind=ONLY if node.only else THING,
                refs=[made[other].id for other in node.refs],
                size=node.size,
                shape=node.shape,
            )
        pulumi.export("ids", {name: one.id for name, one in made.items()})

    return run


def expected(graph: Graph) -> dict[str, Any]:
    """Return what `Account.graph` gives once the account is as the graph says."""
    return {
        name: (ONLY if node.only else THING, node.shape, node.size, list(node.refs)) for name, node in graph.items()
    }


def engine(account: Account, path: Path, **more: Any) -> Engine:
    """Return a new engine, as a new process has it: it knows what the file says."""
    fields = {"registry": fake_registry(), "invokes": {}, "offline": {}, "clients": account, **more}
    return Engine(project="p", stack="s", state=MortalState(path, account), **fields)
