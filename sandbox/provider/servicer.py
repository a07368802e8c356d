"""The provider: every request of the engine becomes a call of the type's handler."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from sandbox.engine.failures import said
from sandbox.engine.refreshing import drifted
from sandbox.handlers.base import Clients, Difference, Handler, Properties, Registry
from sandbox.handlers.clients import Boto3Clients
from sandbox.provider.failing import CancelledError, InitFailedError, made_nothing, telling
from sandbox.provider.properties import UNKNOWN, Received, answered, received
from sandbox.provider.schema import schema
from sandbox.provider.settings import Settings, SettingsError

Invokes = Mapping[str, Callable[[Clients, Properties], Properties]]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one engine. Requests come side by side."""

    def __init__(
        self,
        registry: Registry,
        invokes: Invokes,
        version: str,
        *,
        environment: Mapping[str, str] = os.environ,
        connect: Callable[[str, str], Clients] = Boto3Clients,
    ) -> None:
        """Make a provider.

        Args:
            registry: what carries resources out.
            invokes: what answers data sources.
            version: of the provider's package that programs use.
            environment: names the account where the configuration does not.
            connect: makes the clients of an endpoint and a region.

        """
        self.registry = registry
        self.invokes = invokes
        self.version = version
        self.environment = environment
        self.connect = connect
        self._clients: Clients | None = None
        self._cancelled = threading.Event()
        self._seen: set[tuple[str, str]] = set()
        """Type and id of what the engine has named: none of it is what an unfinished creation left."""

    # The plugin itself.

    @telling
    def Handshake(self, _request: Any) -> Any:
        """Say what of the protocol is spoken; the same as `Configure` answers."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    @telling
    def Attach(self, _request: Any) -> Any:
        """Accept an engine that did not start this process."""
        return empty_pb2.Empty()

    @telling
    def GetPluginInfo(self, _request: Any) -> Any:
        """Say which version this is."""
        return plugin_pb2.PluginInfo(version=self.version)

    @telling
    def GetMapping(self, _request: Any) -> Any:
        """Know no other ecosystem's names."""
        return provider_pb2.GetMappingResponse()

    @telling
    def GetSchema(self, _request: Any) -> Any:
        """Name what can be carried out."""
        return provider_pb2.GetSchemaResponse(schema=schema(self.version, self.registry, self.invokes))

    @telling
    def Cancel(self, _request: Any) -> Any:
        """Begin nothing new; what is under way comes to its end, so that it can be recorded."""
        self._cancelled.set()
        return empty_pb2.Empty()

    # Its configuration.

    @telling
    def CheckConfig(self, request: Any) -> Any:
        """Refuse a configuration that names no emulated account."""
        try:
            Settings.of(received(request.news).values, self.environment)
        except SettingsError as error:
            failure = provider_pb2.CheckFailure(property=error.name, reason=str(error))
            return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])
        return provider_pb2.CheckResponse(inputs=request.news)

    @telling
    def DiffConfig(self, request: Any) -> Any:
        """Say that another region is another place: everything is made there anew."""
        old, new = received(request.old_inputs).values, received(request.news).values
        moved = ["region"] if old.get("region") != new.get("region") else []
        return provider_pb2.DiffResponse(replaces=moved, diffs=moved, changes=_changes(moved))

    @telling
    def Configure(self, request: Any) -> Any:
        """Connect to the account."""
        settings = Settings.of(received(request.args).values, self.environment)
        self._clients = self.connect(settings.endpoint, settings.region)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # Data sources.

    @telling
    def Invoke(self, request: Any) -> Any:
        """Answer a data source."""
        if request.tok not in self.invokes:
            raise LookupError(
                f"nothing answers the data source {request.tok}; known: {', '.join(sorted(self.invokes))}"
            )
        asked = received(request.args)
        found = self.invokes[request.tok](self._account(), asked.values)
        secret = ["value"] if found.get("type") == "SecureString" else []
        answer = provider_pb2.InvokeResponse()
        getattr(answer, "return").CopyFrom(answered(found, [asked], secret=secret))  # a word of Python's, too
        return answer

    # Resources.

    @telling
    def Check(self, request: Any) -> Any:
        """Refuse what the handler cannot carry out, before anything is done."""
        asked = received(request.news).values
        faults = dict(self._handler(request).faults(asked))
        account = self._account()
        if asked.get("region") not in {None, UNKNOWN, account.region}:
            faults["region"] = f"this provider works in {account.region}, not in {asked['region']}"
        failures = [provider_pb2.CheckFailure(property=name, reason=why) for name, why in faults.items()]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @telling
    def Diff(self, request: Any) -> Any:
        """Compare inputs."""
        handler, old, new = self._handler(request), received(request.old_inputs).values, received(request.news).values
        self._see(handler, request.id)
        difference = handler.diff(old, new)
        return provider_pb2.DiffResponse(
            changes=_changes(difference.changed),
            diffs=difference.changed,
            replaces=_replacing(handler, difference, old, new),
            stables=["id", "arn"],
        )

    @telling
    def Create(self, request: Any) -> Any:
        """Make a resource; in a preview, say what is known of it."""
        handler, asked = self._handler(request), received(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=answered(asked.values, [asked]))
        self._go_on()
        try:
            created = handler.create(self._account(), asked.values)
        except Exception as error:
            left = None if made_nothing(error) else self._left_by(handler, asked.values)
            if left is None:
                raise
            self._see(handler, left)
            raise InitFailedError(left, answered(asked.values, [asked]), said(error)) from error
        self._see(handler, created.id)
        return provider_pb2.CreateResponse(id=created.id, properties=_state(asked, created.outputs))

    @telling
    def Read(self, request: Any) -> Any:
        """Look at a resource; without inputs (an import, a `get`), tell also what it would be made with."""
        handler, asked, known = self._handler(request), received(request.inputs), received(request.properties)
        self._see(handler, request.id)
        now = handler.read(self._account(), request.id, asked.values)
        if now is None:
            return provider_pb2.ReadResponse()
        by_hand = drifted(now, inputs=asked.values, outputs=known.values)
        inputs = {**asked.values, **by_hand} if asked.values else _inputs(handler, now)
        return provider_pb2.ReadResponse(
            id=request.id,
            inputs=answered(inputs, [asked, known]),
            properties=answered({**known.values, **now}, [asked, known]),
        )

    @telling
    def Update(self, request: Any) -> Any:
        """Change a resource in place, or finish one whose creation was interrupted; in a preview, say what is known."""
        handler, news = self._handler(request), received(request.news)
        before, known = received(request.old_inputs), received(request.olds)
        self._see(handler, request.id)
        difference = handler.diff(before.values, news.values)
        if request.preview:
            later = dict.fromkeys({*difference.changed, *difference.renewed}, UNKNOWN)
            state = answered({**known.values, **later, **news.values}, [news, before, known])
            return provider_pb2.UpdateResponse(properties=state)
        self._go_on()
        # An update without a difference is the engine's answer to a creation that failed half-way.
        old = before.values if difference.changed else {}
        outputs = handler.update(self._account(), request.id, old, news.values)
        return provider_pb2.UpdateResponse(properties=_state(news, outputs))

    @telling
    def Delete(self, request: Any) -> Any:
        """Remove a resource; one that is gone already is no error."""
        self._go_on()
        self._handler(request).delete(self._account(), request.id, received(request.old_inputs).values)
        return empty_pb2.Empty()

    def _handler(self, request: Any) -> Handler:
        """Return the handler of the type at the end of a URN: before it stand the types of the parents."""
        return self.registry[request.urn.split("::")[2].rsplit("$", 1)[-1]]

    def _account(self) -> Clients:
        if self._clients is None:
            raise ValueError("the provider is asked to work before it is configured")
        return self._clients

    def _go_on(self) -> None:
        if self._cancelled.is_set():
            raise CancelledError("not begun: the run is being stopped")

    def _see(self, handler: Handler, resource_id: str) -> None:
        self._seen.add((handler.type, resource_id))

    def _left_by(self, handler: Handler, inputs: Properties) -> str | None:
        """Return the id of what a creation made before it failed; none if the account cannot say."""
        try:
            found = handler.find(self._account(), inputs)
        except Exception:  # noqa: BLE001 - the creation's own error is the one to tell
            return None
        return None if found is None or (handler.type, found) in self._seen else found


def _changes(names: Any) -> Any:
    return provider_pb2.DiffResponse.DIFF_SOME if names else provider_pb2.DiffResponse.DIFF_NONE


def _replacing(handler: Handler, difference: Difference, old: Properties, new: Properties) -> list[str]:
    """Return the inputs whose change alone means replacement; all that changed if only their sum does."""
    if not difference.replace:
        return []
    changes = {name: {**old, name: new.get(name)} for name in difference.changed}
    return [name for name, changed in changes.items() if handler.diff(old, changed).replace] or [*difference.changed]


def _inputs(handler: Handler, outputs: Properties) -> Properties:
    """Return those of the outputs that the handler takes as inputs."""
    return {name: value for name, value in outputs.items() if name not in handler.faults({name: value})}


def _state(asked: Received, outputs: Properties) -> struct_pb2.Struct:
    """Return what the program sees: what it asked for, and over it what the account answered."""
    return answered({**asked.values, **outputs}, [asked])
