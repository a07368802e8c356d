"""The real engine's state: as records of ours, and mended after a crash."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psutil

from lifecycle.pulumi_cli import BACKEND_VARIABLE
from planner.errors import LockedError
from planner.resources import UNKNOWN, Resource
from sandbox.engine.values import SECRET, SIGNATURE, WIRE_UNKNOWN

Finder = Callable[[str, Mapping[str, Any]], str | None]
"""Type and inputs -> id of what an interrupted creation with these inputs left in the account, if there is one."""
SEALED = "[secret]"
"""Stands for a secret's value wherever the state is shown."""
ENDS_WITHIN_S = 30.0
"""How long an engine that outlived its verb may take to end."""
PAUSE_S = 0.1
_OF_THE_ENGINE = ("pulumi:pulumi:Stack", "pulumi:providers:")


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """What a crash had left, and what became of it. URNs."""

    adopted: tuple[str, ...] = ()
    """Resources that were in the account and not in the state."""
    forgotten: tuple[str, ...] = ()
    """Operations that had been begun, and had made nothing or are known by now."""
    released: bool = False
    """A lock was left that nobody held."""


def resources_of(states: Iterable[Mapping[str, Any]]) -> tuple[Resource, ...]:
    """Return records of the states that the engine tells, without its own.

    Args:
        states: as in a deployment's `resources`, or a preview's `newState`.

    """
    return tuple(_resource(state) for state in states if is_ours(state["type"]) and not state.get("delete"))


def foreseen(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state that a preview's step leads to.

    What stays, changed or not, keeps its id, but is told without it: what names it would seem to name a stranger.
    """
    new = dict(step["newState"])
    if step["op"] in {"same", "update"} and "oldState" in step:
        old = step["oldState"]
        new = {**new, "id": new.get("id") or old.get("id", ""), "outputs": new.get("outputs") or old.get("outputs", {})}
    return new


def is_ours(token: str) -> bool:
    """Tell whether a type is the program's; the stack and the providers are the engine's."""
    return not token.startswith(_OF_THE_ENGINE)


def _resource(state: Mapping[str, Any]) -> Resource:
    of_properties = (urn for urns in state.get("propertyDependencies", {}).values() for urn in urns or ())
    parent = state.get("parent", "")
    return Resource(
        type=state["type"],
        name=state["urn"].split("::", 3)[3],
        urn=state["urn"],
        inputs=plain(state.get("inputs", {})),
        outputs=plain(state.get("outputs", {})) if state.get("custom") else {},
        id=state.get("id", ""),
        parent="" if "pulumi:pulumi:Stack::" in parent else parent,
        dependencies=tuple(sorted({*state.get("dependencies", ()), *of_properties})),
    )


def plain(value: Any) -> Any:
    """Return a property without wrappers: UNKNOWN for what is decided later, SEALED for what is secret."""
    if isinstance(value, dict):
        if SIGNATURE in value:
            return SEALED if value[SIGNATURE] == SECRET else value
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return UNKNOWN if value == WIRE_UNKNOWN else value


def mend(deployment: dict[str, Any], find: Finder) -> Mended:
    """Settle what was begun and not ended, in place.

    What an interrupted creation left is taken over, marked as unfinished, so that the engine's next update finishes it;
    resources that were being changed or deleted are in the state anyway, to be looked at by a refresh.

    Args:
        deployment: the state as it is exported.
        find: looks in the account.

    """
    adopted, forgotten = [], []
    resources: list[dict[str, Any]] = deployment.setdefault("resources", [])
    for operation in deployment.pop("pending_operations", None) or []:
        begun = operation["resource"]
        sought = operation["type"] == "creating" and is_ours(begun["type"]) and begun.get("custom")
        found = find(begun["type"], begun.get("inputs", {})) if sought else None
        if found is None or (begun["type"], found) in {(state["type"], state.get("id")) for state in resources}:
            forgotten.append(begun["urn"])
            continue
        for state in resources:
            if state["urn"] == begun["urn"]:
                state["delete"] = True  # the one that it was to replace
        unfinished = ["its creation was interrupted"]
        resources.append({**begun, "id": found, "outputs": begun.get("inputs", {}), "initErrors": unfinished})
        adopted.append(begun["urn"])
    return Mended(adopted=tuple(adopted), forgotten=tuple(forgotten))


def wait_for_engine(locks: Path, backend: str) -> bool:
    """Wait for an engine that outlived its verb, and for its plugins; tell whether locks were left that nobody holds.

    What they still do would be missed otherwise: a plugin brings to its end what the engine had asked for. Hosts of
    programs and policies touch no account, and do not notice that their engine is gone: they are ended.

    Args:
        locks: folder of the engine's lock files.
        backend: URL of the state, which every process of the stack's engine has in its environment.

    Raises:
        LockedError: one of them still works on the stack.

    """
    if not locks.is_dir() or not any(locks.rglob("*.json")):
        return False
    deadline = time.monotonic() + ENDS_WITHIN_S
    while alive := [process.pid for process in _processes_of(backend) if not _is_host(process)]:
        if time.monotonic() >= deadline:
            numbers = " ".join(map(str, alive))
            raise LockedError(
                f"Pulumi's engine still works on the stack (pid {numbers})",
                hint="An earlier run was killed and left it behind. Wait for it to end, or end it with "
                f"`kill -INT {numbers}`; then run this command again.",
            )
        time.sleep(PAUSE_S)
    for host in _processes_of(backend):
        with contextlib.suppress(psutil.Error):
            host.terminate()
    return True


def _is_host(process: psutil.Process) -> bool:
    """Tell whether a process only runs programs or policies for an engine."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return False  # it ended, or is not ours to judge
    name = Path(command[0]).name if command else ""
    return name.startswith(("pulumi-language-", "pulumi-analyzer-")) or "pulumi.policy" in command


def _processes_of(backend: str) -> Iterator[psutil.Process]:
    """Yield the processes that have a backend in their environment; one that has ended, reaped or not, has none."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(BACKEND_VARIABLE) == backend:
                yield process
        except psutil.Error:
            continue  # it ended meanwhile, or belongs to another user and then not to this stack
