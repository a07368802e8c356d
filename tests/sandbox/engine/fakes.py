"""An account in memory that is as strict as a real one, and handlers that can be killed at any moment.

A real account refuses to make what refers to something that is not there, and to delete what something still refers
to. A process that is killed does nothing more: after the crash every call fails, and no state is written.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lifecycle import files
from sandbox.engine import StateFile
from sandbox.handlers.base import Clients, Created, Difference, Handler, Properties, Registry

THING = "fake:x/y:Thing"
ONLY = "fake:x/y:Only"
"""A type of which two with the same name cannot be."""
FIXED = ("name", "shape")


class CrashError(Exception):
    """The process is killed: whatever it still tries fails alike."""


class RefusedError(Exception):
    """The account says no, as botocore would have it say."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"An error occurred ({code}): {message}")
        self.response = {"Error": {"Code": code, "Message": message}}


@dataclass
class Existing:
    """Something in the account. `whole`: the second call of its creation was made as well."""

    type: str
    inputs: Properties
    whole: bool = False


@dataclass
class Account:
    """What exists, what was called, what goes wrong, and when the process is killed."""

    region: str = "fake-1"
    things: dict[str, Existing] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    refuse: set[tuple[str, str]] = field(default_factory=set)
    """(call, name) that the account refuses."""
    crash_at: int = 0
    """Number of the moment at which the process is killed; 0 for never."""
    moments: int = 0
    dead: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)
    made: int = 0

    def client(self, service: str) -> Any:
        return self

    def moment(self) -> None:
        """Pass one moment at which the process may be killed."""
        with self.lock:
            self.moments += 1
            self.dead = self.dead or self.moments == self.crash_at
            if self.dead:
                raise CrashError

    def revive(self, crash_at: int = 0) -> None:
        """Start a new process, which forgets nothing but its own calls."""
        self.dead, self.crash_at, self.moments, self.calls = False, crash_at, 0, []

    def names(self, call: str) -> list[str]:
        return [name for done, name in self.calls if done == call]

    def effects(self) -> list[tuple[str, str]]:
        return [(call, name) for call, name in self.calls if call in {"create", "update", "delete"}]

    def say(self, call: str, name: str) -> None:
        self.calls.append((call, name))
        if (call, name) in self.refuse:
            raise RefusedError("Refused", f"{name} is not liked here")

    def check_references(self, inputs: Properties) -> None:
        for wanted in inputs["refs"]:
            if wanted not in self.things:
                raise RefusedError("NotFound", f"{wanted} is not there")

    def graph(self) -> dict[str, Any]:
        """Return what exists by name, with the names of what each refers to; each name once, or it is an error."""
        by_name: dict[str, Any] = {}
        for thing in self.things.values():
            assert thing.whole
            name = thing.inputs["name"]
            assert name not in by_name, f"{name} exists twice"
            refs = [self.things[ref].inputs["name"] for ref in thing.inputs["refs"]]
            by_name[name] = (thing.type, thing.inputs["shape"], thing.inputs["size"], refs)
        return by_name


class FakeHandler:
    """Handles one type. `name` and `shape` are fixed; `size` and `refs` change in place."""

    def __init__(self, kind: str) -> None:
        self.type = kind

    def faults(self, inputs: Properties) -> dict[str, str]:
        return {}

    def diff(self, old: Properties, new: Properties) -> Difference:
        changed = tuple(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)))
        return Difference(changed, replace=any(key in FIXED for key in changed))

    def create(self, clients: Clients, inputs: Properties) -> Created:
        account = _account(clients)
        account.moment()
        with account.lock:
            account.say("create", inputs["name"])
            account.check_references(inputs)
            same = [t for t in account.things.values() if (t.type, t.inputs["name"]) == (self.type, inputs["name"])]
            if self.type == ONLY and same:
                raise RefusedError("AlreadyExists", inputs["name"])
            account.made += 1
            made = f"id-{account.made}"
            account.things[made] = Existing(self.type, dict(inputs))
        account.moment()
        account.things[made].whole = True
        account.moment()
        return Created(made, self._outputs(made, inputs))

    def find(self, clients: Clients, inputs: Properties) -> str | None:
        account = _account(clients)
        account.moment()
        account.say("find", inputs["name"])
        wanted = [inputs[key] for key in FIXED]
        for found, thing in account.things.items():
            if thing.type == self.type and [thing.inputs[key] for key in FIXED] == wanted:
                return found
        return None

    def read(self, clients: Clients, resource_id: str, inputs: Properties) -> Properties | None:
        account = _account(clients)
        account.moment()
        account.say("read", inputs["name"])
        thing = account.things.get(resource_id)
        return self._outputs(resource_id, {**inputs, **thing.inputs}) if thing else None

    def update(self, clients: Clients, resource_id: str, old: Properties, new: Properties) -> Properties:
        account = _account(clients)
        account.moment()
        with account.lock:
            account.say("update", new["name"])
            account.check_references(new)
            thing = account.things[resource_id]
            if old:
                assert not self.diff(old, new).replace
                thing.inputs["size"] = new["size"]
            else:
                thing.whole = True
        account.moment()
        if old:
            thing.inputs["refs"] = new["refs"]
        account.moment()
        return self._outputs(resource_id, thing.inputs)

    def delete(self, clients: Clients, resource_id: str, inputs: Properties) -> None:
        account = _account(clients)
        account.moment()
        with account.lock:
            account.say("delete", inputs["name"])
            users = [thing.inputs["name"] for thing in account.things.values() if resource_id in thing.inputs["refs"]]
            if users:
                raise RefusedError("DependencyViolation", f"{inputs['name']} is used by {', '.join(users)}")
            account.things.pop(resource_id, None)
        account.moment()

    def _outputs(self, resource_id: str, inputs: Properties) -> Properties:
        return {**inputs, "id": resource_id, "arn": f"arn:{resource_id}"}


class MortalState(StateFile):
    """A state file that a dead process does not write."""

    def __init__(self, path: Path, account: Account) -> None:
        super().__init__(path, self._write_or_die)
        self.account = account

    def _write_or_die(self, path: Path, content: bytes) -> None:
        self.account.moment()
        files.write(path, content)
        self.account.moment()


def fake_registry() -> Registry:
    handlers: dict[str, Handler] = {kind: FakeHandler(kind) for kind in (THING, ONLY)}
    return Registry(handlers)


def _account(clients: Clients) -> Account:
    assert isinstance(clients, Account)
    return clients
