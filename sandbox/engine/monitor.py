"""The monitor: receives every registration of a running program, and hands it to who carries it out."""

from __future__ import annotations

import dataclasses
import json
import threading
from concurrent.futures import Future
from typing import Any, Protocol

import msgspec
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import resource_pb2

from planner.errors import DeployError
from sandbox.engine.values import SecretInProgramError, plain, wire
from sandbox.handlers.base import Difference

UNSUPPORTED = ("importId", "retainOnDelete", "remote", "deletedWith", "protect")
"""Options that this engine does not carry out: a program that asks for them is refused, not half obeyed."""
UNSUPPORTED_LISTS = ("aliasURNs", "transforms", "replace_with")


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What a program asks for."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: dict[str, Any]
    parent: str
    dependencies: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    delete_before_replace: bool

    def over(self, old: dict[str, Any]) -> Registration:
        """Return the registration with old values for whatever the program says to leave as it is."""
        ignored = {*self.ignore_changes}
        asked = {key: value for key, value in self.inputs.items() if key not in ignored}
        kept = {key: value for key, value in old.items() if key in ignored}
        return msgspec.structs.replace(self, inputs={**asked, **kept})

    def judge(self, difference: Difference) -> Difference:
        """Return the difference as the program wants it taken: of some inputs, every change means replacement."""
        forced = {*difference.changed} & {*self.replace_on_changes}
        return dataclasses.replace(difference, replace=True) if forced else difference


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. Without an id, it is decided later."""

    id: str
    outputs: dict[str, Any]


class Carrier(Protocol):
    """Carries out registrations; called from several threads at once."""

    def register(self, registration: Registration) -> Registered:
        """Bring a resource about. Everything it depends on has been."""

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a data source."""


class _NoMocks(mocks.Mocks):
    """The base class wants one; every call comes to the monitor itself."""

    def call(self, args: Any) -> Any:
        raise NotImplementedError

    def new_resource(self, args: Any) -> Any:
        raise NotImplementedError


class Monitor(mocks.MockMonitor):
    """Receives registrations. A failure is kept, and what depends on it is skipped; the rest goes on."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(_NoMocks())
        self.carrier = carrier
        self.exports: dict[str, Any] = {}
        self.failures: dict[str, Exception] = {}
        self.skipped: set[str] = set()
        self._seen: set[str] = set()
        self._answers: dict[tuple[str, str], Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def features(self) -> set[int]:
        """Return what the SDK may rely on."""
        return set(self.GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures)  # type: ignore[no-untyped-call]  # the SDK's mock has no types

    def RegisterResource(self, request: Any) -> Any:
        """Carry out one registration."""
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        try:
            self._see(request, urn)
            registration = _read(request, urn)
            if self._waits_for_a_failure(registration):
                return resource_pb2.RegisterResourceResponse(urn=urn, result=resource_pb2.Result.FAIL)
            answer = self.carrier.register(registration)
        except Exception as error:  # noqa: BLE001 - kept, and raised when the program has ended
            with self._lock:
                self.failures[urn] = error
            return resource_pb2.RegisterResourceResponse(urn=urn, result=resource_pb2.Result.FAIL)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=answer.id, object=_struct(answer.outputs))

    def RegisterResourceOutputs(self, request: Any) -> Any:
        """Keep what the program exports."""
        if "pulumi:pulumi:Stack" in request.urn.split("::")[2].split("$")[-1]:
            self.exports = plain(rpc.deserialize_properties(request.outputs, keep_unknowns=True))
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:
        """Answer a data source; what many resources ask is asked of the account once."""
        arguments = plain(rpc.deserialize_properties(request.args))
        fields: dict[str, Any] = {"failures": None, "return": _struct(self._answer(request.tok, arguments))}
        return resource_pb2.ResourceInvokeResponse(**fields)

    def ReadResource(self, request: Any) -> Any:
        """Refuse: nothing of ours adopts what it did not make."""
        raise DeployError(f"reading existing resources is not supported: {request.type}", code="unsupported")

    def _answer(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        key = (token, json.dumps(arguments, sort_keys=True, default=repr))
        with self._lock:
            first = key not in self._answers
            answer = self._answers.setdefault(key, Future())
        if first:
            try:
                answer.set_result(self.carrier.invoke(token, arguments))
            except BaseException as error:
                answer.set_exception(error)
                raise
        return answer.result()

    def _see(self, request: Any, urn: str) -> None:
        with self._lock:
            if urn in self._seen:
                raise DeployError(
                    f"the program registers {request.type} {request.name!r} twice",
                    hint="Each resource needs a name of its own within its type and parent.",
                    code="duplicate_resource",
                )
            self._seen.add(urn)

    def _waits_for_a_failure(self, registration: Registration) -> bool:
        """Tell whether something that a resource needs has failed; then it is not tried."""
        with self._lock:
            broken = {*self.failures, *self.skipped}
            if not broken & {*registration.dependencies, registration.parent}:
                return False
            self.skipped.add(registration.urn)
        return True


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    """Return plain values as the SDK expects them; what is none is left out, as the SDK does.

    The SDK's own serializer wants an event loop, which nobody would close in the threads that call here.
    """
    struct = struct_pb2.Struct()
    struct.update({key: value for key, value in wire(values).items() if value is not None})
    return struct


def _is_old_type(alias: Any) -> bool:
    """Tell whether an alias says only what the provider called the type before: no state of ours is as old as that."""
    spec = alias.spec
    return bool(spec.type) and not (alias.urn or spec.name or spec.stack or spec.project or spec.parentUrn)


def _read(request: Any, urn: str) -> Registration:
    asked = [name for name in UNSUPPORTED if getattr(request, name, None)]
    asked += [name for name in UNSUPPORTED_LISTS if len(getattr(request, name, ()))]
    asked += ["aliases"] if any(not _is_old_type(alias) for alias in request.aliases) else []
    for option in ("ignoreChanges", "replaceOnChanges"):
        asked += [f"{option} of {path}" for path in getattr(request, option) if not path.isidentifier()]
    if asked:
        raise DeployError(
            f"{request.name}: options not supported by this engine: {', '.join(asked)}", code="unsupported"
        )
    needed = {*request.dependencies, *(u for urns in request.propertyDependencies.values() for u in urns.urns)}
    return Registration(
        urn=urn,
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=_inputs(request),
        parent=request.parent,
        dependencies=tuple(sorted(needed)),
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        delete_before_replace=request.deleteBeforeReplace,
    )


def _inputs(request: Any) -> dict[str, Any]:
    try:
        inputs: dict[str, Any] = plain(rpc.deserialize_properties(request.object, keep_unknowns=True))
    except SecretInProgramError as error:
        raise SecretInProgramError(f"{request.type} {request.name!r}: {error.message}", hint=error.hint) from None
    return inputs
