"""What the engine does, by hand: a gRPC client of the provider in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.engine.values import SECRET, SIGNATURE
from sandbox.handlers.base import Clients
from sandbox.provider.server import start
from sandbox.provider.servicer import Provider

VERSION = "7.1.2"
ENDPOINT = "http://127.0.0.1:1"


def secret(value: Any) -> dict[str, Any]:
    return {SIGNATURE: SECRET, "value": value}


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def values(message: struct_pb2.Struct) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(message)
    return found


def urn(token: str, name: str, *, parent: str = "cloister:aws:Network") -> str:
    return f"urn:pulumi:tested::cloister::{parent}${token}::{name}"


class Engine:
    """Asks a provider, with plain values."""

    def __init__(self, stub: Any) -> None:
        self.stub = stub

    def configure(self, **settings: Any) -> Any:
        return self.stub.Configure(provider_pb2.ConfigureRequest(args=struct(settings), acceptSecrets=True))

    def check(self, token: str, news: Mapping[str, Any]) -> dict[str, str]:
        answer = self.stub.Check(provider_pb2.CheckRequest(urn=urn(token, "n"), news=struct(news)))
        assert answer.inputs == struct(news)
        return {failure.property: failure.reason for failure in answer.failures}

    def diff(self, token: str, old: Mapping[str, Any], new: Mapping[str, Any], resource_id: str = "id-0") -> Any:
        request = provider_pb2.DiffRequest(
            id=resource_id, urn=urn(token, "n"), old_inputs=struct(old), olds=struct(old), news=struct(new)
        )
        return self.stub.Diff(request)

    def create(self, token: str, inputs: Mapping[str, Any], *, preview: bool = False) -> tuple[str, dict[str, Any]]:
        request = provider_pb2.CreateRequest(urn=urn(token, "n"), properties=struct(inputs), preview=preview)
        answer = self.stub.Create(request)
        return answer.id, values(answer.properties)

    def read(
        self, token: str, resource_id: str, inputs: Mapping[str, Any], state: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any], dict[str, Any]]:
        request = provider_pb2.ReadRequest(
            id=resource_id, urn=urn(token, "n"), inputs=struct(inputs), properties=struct(state)
        )
        answer = self.stub.Read(request)
        return answer.id, values(answer.inputs), values(answer.properties)

    def update(
        self,
        token: str,
        resource_id: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        *,
        state: Mapping[str, Any] | None = None,
        preview: bool = False,
    ) -> dict[str, Any]:
        request = provider_pb2.UpdateRequest(
            id=resource_id,
            urn=urn(token, "n"),
            old_inputs=struct(old),
            olds=struct(state or old),
            news=struct(new),
            preview=preview,
        )
        return values(self.stub.Update(request).properties)

    def delete(self, token: str, resource_id: str, inputs: Mapping[str, Any]) -> None:
        self.stub.Delete(provider_pb2.DeleteRequest(id=resource_id, urn=urn(token, "n"), old_inputs=struct(inputs)))

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=struct(arguments)))
        return values(getattr(answer, "return"))


@contextmanager
def engine_of(provider: Provider) -> Iterator[Engine]:
    server, port = start(provider)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Engine(provider_pb2_grpc.ResourceProviderStub(channel))
    server.stop(None).wait()


@contextmanager
def connected(provider: Provider) -> Iterator[Engine]:
    with engine_of(provider) as engine:
        engine.configure()
        yield engine


def provider_of(registry: Any, invokes: Any, account: Clients, **environment: str) -> Provider:
    named = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_REGION": account.region, **environment}
    return Provider(registry, invokes, VERSION, environment=named, connect=lambda _url, _region: account)


def refused(call: Any, *arguments: Any, **named: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **named)
    return caught.value


def half_made(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed:
    """Return what an error says of a resource that exists all the same."""
    (trailer,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    (detail,) = status_pb2.Status.FromString(trailer).details
    failed = provider_pb2.ErrorResourceInitFailed()
    assert detail.Unpack(failed)
    return failed
