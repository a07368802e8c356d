"""What the provider answers the engine, request by request: the account is in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from sandbox.handlers.base import Clients, Properties
from sandbox.provider.properties import UNKNOWN
from sandbox.provider.servicer import Provider
from tests.sandbox.engine.fakes import ONLY, THING, Account, FakeHandler, RefusedError, fake_registry
from tests.sandbox.provider.client import (
    ENDPOINT,
    VERSION,
    Engine,
    connected,
    engine_of,
    half_made,
    provider_of,
    refused,
    secret,
    struct,
    values,
)

ROUND: Properties = {"name": "a", "size": 1, "shape": "round", "refs": []}


def _look(clients: Clients, arguments: Properties) -> Properties:
    if arguments.get("name") == "absent":
        raise RefusedError("ParameterNotFound", "no such parameter")
    return {"region": clients.region, "type": "SecureString" if arguments.get("safe") else "String", "value": "v"}


INVOKES = {"fake:x:look": _look}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def engine(account: Account) -> Iterator[Engine]:
    with connected(provider_of(fake_registry(), INVOKES, account)) as engine:
        yield engine


def test_the_plugin_says_what_it_is(engine: Engine) -> None:
    assert engine.stub.GetPluginInfo(empty_pb2.Empty()).version == VERSION
    handshake = engine.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    configured = engine.configure()
    assert handshake.accept_secrets
    assert (configured.acceptSecrets, configured.supportsPreview) == (True, True)
    assert (configured.acceptOutputs, configured.acceptResources) == (False, False)
    engine.stub.Attach(provider_pb2.GetSchemaRequest())
    schema = json.loads(engine.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    assert (set(schema["resources"]), set(schema["functions"])) == ({THING, ONLY}, {"fake:x:look"})


@pytest.mark.parametrize(
    ("settings", "environment", "names", "words"),
    [
        ({}, {}, "endpoints", "AWS_ENDPOINT_URL"),
        ({"endpoints": '[{"ec2": "https://ec2.us-east-2.amazonaws.com"}]'}, {}, "endpoints", "on this machine"),
        ({"endpoints": [{"ec2": "http://127.0.0.1:1", "iam": "http://127.0.0.1:2"}]}, {}, "endpoints", "one URL"),
        ({}, {"AWS_ENDPOINT_URL": ENDPOINT}, "region", "AWS_REGION"),
    ],
)
def test_a_provider_without_an_emulated_account_refuses(
    settings: dict[str, Any], environment: dict[str, str], names: str, words: str
) -> None:
    with engine_of(Provider(fake_registry(), {}, VERSION, environment=environment)) as engine:
        checked = engine.stub.CheckConfig(provider_pb2.CheckRequest(news=struct(settings)))
        assert [failure.property for failure in checked.failures] == [names]
        assert words in checked.failures[0].reason
        assert words in refused(engine.configure, **settings).details()


@pytest.mark.parametrize("endpoints", [f'[{{"ec2": "{ENDPOINT}", "iam": "{ENDPOINT}"}}]', [{"ec2": secret(ENDPOINT)}]])
def test_the_configuration_comes_before_the_environment(endpoints: Any) -> None:
    connections: list[tuple[str, str]] = []

    def connect(url: str, region: str) -> Account:
        connections.append((url, region))
        return Account(region=region)

    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "eu-north-1"}
    provider = Provider(fake_registry(), {}, VERSION, environment=environment, connect=connect)
    with engine_of(provider) as engine:
        engine.configure(endpoints=endpoints)
        engine.configure(region="us-west-2")
    assert connections == [(ENDPOINT, "eu-north-1"), ("http://127.0.0.1:9", "us-west-2")]


def test_another_region_is_another_provider(engine: Engine) -> None:
    def diff(old: dict[str, str], new: dict[str, str]) -> Any:
        return engine.stub.DiffConfig(provider_pb2.DiffRequest(old_inputs=struct(old), news=struct(new)))

    moved = diff({"region": "a"}, {"region": "b"})
    assert (list(moved.replaces), moved.changes) == (["region"], provider_pb2.DiffResponse.DIFF_SOME)
    newer = diff({"region": "a", "version": "1"}, {"region": "a", "version": "2"})
    assert newer.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_nothing_works_before_it_is_configured(account: Account) -> None:
    with engine_of(provider_of(fake_registry(), INVOKES, account)) as engine:
        error = refused(engine.create, THING, ROUND)
    assert (error.code(), account.things) == (grpc.StatusCode.INVALID_ARGUMENT, {})


def test_a_type_that_nothing_carries_out_is_refused(engine: Engine) -> None:
    error = refused(engine.check, "aws:lambda/function:Function", {})
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "aws:lambda/function:Function" in error.details()


def test_the_life_of_a_resource(engine: Engine, account: Account) -> None:
    assert engine.check(THING, ROUND) == {}
    assert engine.check(THING, {**ROUND, "region": UNKNOWN}) == {}
    made, state = engine.create(THING, ROUND)
    assert account.things[made].inputs == ROUND
    assert state["arn"] == f"arn:{made}"
    assert state["size"] == 1
    larger = {**ROUND, "size": 2}
    difference = engine.diff(THING, ROUND, larger, made)
    assert (list(difference.diffs), list(difference.replaces)) == (["size"], [])
    assert difference.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert engine.update(THING, made, ROUND, larger, state=state)["size"] == 2
    assert account.things[made].inputs["size"] == 2
    assert engine.read(THING, made, larger, {**state, "size": 2}) == (made, larger, {**state, "size": 2})
    engine.delete(THING, made, larger)
    assert account.things == {}
    assert engine.read(THING, made, larger, state) == ("", {}, {})
    engine.delete(THING, made, larger)


def test_a_difference_names_what_makes_it_a_replacement(engine: Engine) -> None:
    difference = engine.diff(THING, ROUND, {**ROUND, "size": 2, "shape": "square"})
    assert sorted(difference.diffs) == ["shape", "size"]
    assert list(difference.replaces) == ["shape"]
    same = engine.diff(THING, ROUND, ROUND)
    assert (list(same.diffs), same.changes) == ([], provider_pb2.DiffResponse.DIFF_NONE)


def test_whole_numbers_stay_whole(engine: Engine, account: Account) -> None:
    made, _ = engine.create(THING, {**ROUND, "size": 443})
    assert json.dumps(account.things[made].inputs["size"]) == "443"


def test_previews_touch_nothing_and_know_what_can_be_known(engine: Engine, account: Account) -> None:
    asked = {**ROUND, "refs": [UNKNOWN]}
    assert engine.create(THING, asked, preview=True) == ("", asked)
    state = {**ROUND, "arn": "arn:a", "size": 1}
    known = engine.update(THING, "a", ROUND, {**ROUND, "size": 2, "refs": [UNKNOWN]}, state=state, preview=True)
    assert known == {**state, "size": 2, "refs": [UNKNOWN]}
    without = {key: value for key, value in ROUND.items() if key != "size"}
    assert engine.update(THING, "a", ROUND, without, state=state, preview=True)["size"] == UNKNOWN
    assert account.calls == []


def test_what_is_decided_later_is_a_difference(engine: Engine) -> None:
    difference = engine.diff(THING, {**ROUND, "refs": ["id-1"]}, {**ROUND, "refs": [UNKNOWN]})
    assert list(difference.diffs) == ["refs"]


def test_what_was_changed_by_hand_becomes_the_input(engine: Engine, account: Account) -> None:
    made, state = engine.create(THING, ROUND)
    account.things[made].inputs["size"] = 7
    _, inputs, now = engine.read(THING, made, ROUND, state)
    assert (inputs["size"], now["size"], inputs["shape"]) == (7, 7, "round")


def test_secrets_come_in_and_stay_secret(engine: Engine, account: Account) -> None:
    asked = {**ROUND, "name": secret("hidden"), "refs": []}
    made, state = engine.create(THING, asked)
    assert account.things[made].inputs["name"] == "hidden"
    assert (state["name"], state["shape"]) == (secret("hidden"), "round")
    _, inputs, now = engine.read(THING, made, asked, state)
    assert inputs["name"] == now["name"] == secret("hidden")
    assert engine.update(THING, made, asked, {**asked, "size": 2}, state=state)["name"] == secret("hidden")
    assert engine.create(THING, asked, preview=True)[1]["name"] == secret("hidden")


def test_an_output_in_which_a_secret_is_is_secret(account: Account) -> None:
    class Telling(FakeHandler):
        def _outputs(self, resource_id: str, inputs: Properties) -> Properties:
            return {**super()._outputs(resource_id, inputs), "banner": [{"text": f"made as {inputs['name']}"}]}

    registry = type(fake_registry())({THING: Telling(THING)})
    with connected(provider_of(registry, {}, account)) as engine:
        _, state = engine.create(THING, {**ROUND, "name": secret("hidden")})
        assert state["banner"] == secret([{"text": "made as hidden"}])
        assert state["arn"].startswith("arn:")


def test_assets_are_refused(engine: Engine) -> None:
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": "t"}
    error = refused(engine.create, THING, {**ROUND, "name": asset})
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_data_sources(engine: Engine) -> None:
    assert engine.invoke("fake:x:look", {})["value"] == "v"
    assert engine.invoke("fake:x:look", {"safe": True})["value"] == secret("v")
    assert "known: fake:x:look" in refused(engine.invoke, "fake:x:other", {}).details()
    error = refused(engine.invoke, "fake:x:look", {"name": "absent"})
    assert error.details() == "ParameterNotFound: no such parameter"


def test_a_refusal_is_told_in_the_accounts_words(engine: Engine, account: Account) -> None:
    account.refuse.add(("create", "a"))
    error = refused(engine.create, THING, ROUND)
    # After this status the engine knows that nothing was made.
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "Refused: a is not liked here"


def test_an_answer_that_was_lost_leaves_the_engine_unsure(account: Account) -> None:
    class Lost(FakeHandler):
        def create(self, clients: Clients, inputs: Properties) -> Any:
            raise TimeoutError("no answer within 60 s")

    registry = type(fake_registry())({THING: Lost(THING)})
    with connected(provider_of(registry, {}, account)) as engine:
        error = refused(engine.create, THING, ROUND)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, "no answer within 60 s")


class Unfinished(FakeHandler):
    """Makes a resource, and fails in what must follow."""

    def create(self, clients: Clients, inputs: Properties) -> Any:
        made = super().create(clients, inputs)
        assert isinstance(clients, Account)
        clients.things[made.id].whole = False
        raise RefusedError("Throttling", "later, please")


def test_a_creation_that_failed_half_way_is_kept_and_finished(account: Account) -> None:
    registry = type(fake_registry())({THING: Unfinished(THING)})
    with connected(provider_of(registry, {}, account)) as engine:
        failed = half_made(refused(engine.create, THING, ROUND))
        (made,) = account.things
        assert (failed.id, list(failed.reasons)) == (made, ["Throttling: later, please"])
        assert values(failed.properties) == ROUND
        engine.update(THING, made, ROUND, ROUND)  # what the engine asks for next
        assert account.things[made].whole


def test_what_is_known_already_is_not_taken_for_half_made(account: Account) -> None:
    registry = type(fake_registry())({THING: FakeHandler(THING)})
    with connected(provider_of(registry, {}, account)) as engine:
        made, _ = engine.create(THING, ROUND)
        account.refuse.add(("create", "a"))
        error = refused(engine.create, THING, ROUND)
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert set(account.things) == {made}


def test_what_was_there_before_is_not_taken_for_half_made(account: Account) -> None:
    with connected(provider_of(fake_registry(), {}, account)) as first:
        first.create(ONLY, ROUND)
    with connected(provider_of(fake_registry(), {}, account)) as second:
        error = refused(second.create, ONLY, ROUND)
    assert error.details() == "AlreadyExists: a"
    assert "grpc-status-details-bin" not in dict(error.trailing_metadata())


def test_after_cancel_nothing_new_is_begun(engine: Engine, account: Account) -> None:
    made, state = engine.create(THING, ROUND)
    engine.stub.Cancel(empty_pb2.Empty())
    for error in (
        refused(engine.create, THING, {**ROUND, "name": "b"}),
        refused(engine.update, THING, made, ROUND, {**ROUND, "size": 2}),
        refused(engine.delete, THING, made, ROUND),
    ):
        assert error.code() == grpc.StatusCode.CANCELLED
    assert account.things[made].inputs == ROUND
    assert engine.read(THING, made, ROUND, state)[0] == made
