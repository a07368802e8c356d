"""Langfuse: off unless it is asked for, complete or refused, on loopback, and with no secret in the plan."""

from __future__ import annotations

import msgspec
import pytest

from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.contents import contents_of
from planner.errors import PlanError
from planner.images import PODMAN_PACKAGES
from planner.langfuse import DERIVED, IMAGES, PORTS, RANDOM, TRACES_FLAG
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan, Target, from_json, to_json
from planner.profile import LangfuseSection
from planner.services import DEFAULT_PORTS
from policies.run import evaluate
from tests.langfuse import HOST, langfuse_plan, section

SIX = tuple(f"langfuse-{name}" for name in IMAGES)


def plan_with(wanted: LangfuseSection | None, target: Target = "metal") -> Plan:
    profile = msgspec.structs.replace(load_profile("2xh200"), langfuse=wanted)
    return make_plan(profile, load_catalogue(), Site(stack="s", target=target, hosts=(HOST,)))


@pytest.mark.parametrize("name", shipped_names())
def test_no_shipped_profile_has_it(name: str) -> None:
    plan = make_plan(load_profile(name), load_catalogue(), Site(stack="s"))
    assert plan.langfuse is None
    assert "langfuse" not in to_json(plan).replace('"langfuse": null', "")


def test_without_the_section_a_host_runs_what_it_ran_before() -> None:
    plan = plan_with(None)
    assert not [one for one in plan.services if one.name.startswith("langfuse")]
    assert TRACES_FLAG not in plan.engine.args
    assert not [one for one in plan.secrets if one.name.startswith("langfuse")]


@pytest.mark.parametrize(("target", "why"), [("sandbox", "the sandbox runs no images"), ("aws", "nodes in AWS run no")])
def test_where_no_image_runs_it_is_refused(target: Target, why: str) -> None:
    with pytest.raises(PlanError, match=why) as refused:
        plan_with(section(), target)
    assert refused.value.code == "langfuse_not_here"
    assert "--target metal" in str(refused.value.hint)


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(PlanError) as refused:
        plan_with(section(worker="", store="", user=""))
    assert refused.value.message == "`[langfuse]` lacks worker, store, user"
    assert "@sha256:DIGEST" in str(refused.value.hint)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_by_its_tag_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match=f"langfuse.{name}") as refused:
        plan_with(section(**{name: "registry.example/x:latest"}))
    assert refused.value.code == "image_not_pinned"


def test_six_services_listen_on_loopback_alone_each_on_ports_of_its_own() -> None:
    plan = langfuse_plan()
    ours = [one for one in plan.services if one.name in SIX]
    assert {one.name for one in ours} == set(SIX)
    found = {f"{one.name}.{port.name}": port for one in ours for port in one.ports}
    assert {name: port.number for name, port in found.items()} == PORTS
    assert {port.binding for port in found.values()} == {"loopback"}
    everybody = [port.number for one in plan.services for port in one.ports]
    assert len(everybody) == len(set(everybody))
    assert not set(PORTS.values()) & set(DEFAULT_PORTS.values())
    assert all(one.image and one.health and one.needs == () and one.reaches == () for one in ours)


def test_what_is_needed_starts_first() -> None:
    plan = langfuse_plan()
    stores = {"langfuse-postgres", "langfuse-clickhouse", "langfuse-valkey", "langfuse-store"}
    assert set(plan.service("langfuse-web").after) == stores
    assert set(plan.service("langfuse-worker").after) == {*stores, "langfuse-web"}
    assert all(plan.service(name).after == () for name in stores)
    # Others wait for it in no way: the endpoint answers before Langfuse does.
    assert not any(set(SIX) & set(one.after) for one in plan.services if one.name not in SIX)


def test_nobody_signs_up_and_nobody_is_told() -> None:
    plan = langfuse_plan()
    for name in ("langfuse-web", "langfuse-worker"):
        env = plan.service(name).env
        assert (env["TELEMETRY_ENABLED"], env["NEXT_TELEMETRY_DISABLED"], env["CHECKPOINT_DISABLE"]) == (
            "false",
            "1",
            "1",
        )
        assert env["HOSTNAME"] == "127.0.0.1"
    web = plan.service("langfuse-web").env
    assert web["AUTH_DISABLE_SIGNUP"] == "true"
    assert web["LANGFUSE_INIT_USER_EMAIL"] == "operator@example.com"


def test_every_secret_is_named_given_to_somebody_and_given_to_no_more_than_need_it() -> None:
    plan = langfuse_plan()
    named = {one.name for one in plan.secrets if one.name.startswith("langfuse")}
    assert named == set(RANDOM | DERIVED)
    given = {one.name: {*one.secret_env.values(), *one.secret_files} for one in plan.services}
    assert set().union(*given.values()) >= named
    assert given["langfuse-postgres"] == {"langfuse-postgres"}
    assert given["langfuse-clickhouse"] == {"langfuse-clickhouse-sha256"}
    assert given["langfuse-valkey"] == {"langfuse-valkey"}
    assert given["langfuse-store"] == {"langfuse-store"}
    assert given["engine"] == {"engine-api-key", "langfuse-otlp-headers"}
    assert "langfuse-user" not in given["langfuse-worker"]


def test_the_engine_sends_its_traces_over_http_and_not_over_grpc() -> None:
    engine = langfuse_plan().service("engine")
    at = engine.args.index(TRACES_FLAG)
    assert engine.args[at + 1] == "http://127.0.0.1:8300/api/public/otel/v1/traces"
    assert engine.env["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
    assert engine.secret_env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] == "langfuse-otlp-headers"


def test_an_imitated_engine_sends_nothing_and_the_plan_says_so() -> None:
    plan = langfuse_plan(stand_in=True)
    assert TRACES_FLAG not in plan.service("engine").args
    (said,) = [one for one in plan.decisions if one.what == "sends to Langfuse"]
    assert said.choice.startswith("nobody")


def test_several_hosts_have_one_each_and_the_plan_says_so() -> None:
    plan = langfuse_plan(hosts=(HOST, HostPlan(name="b", address="10.0.0.6", gpus=8)))
    (said,) = [one for one in plan.decisions if one.what == "Langfuse"]
    assert "one on each of 2 hosts" in said.choice


def test_a_bundle_brings_all_six_images_and_podman() -> None:
    contents = contents_of(langfuse_plan(), load_catalogue())
    assert {image.reference for image in contents.images} == {getattr(section(), name) for name in IMAGES}
    assert set(PODMAN_PACKAGES) <= set(contents.packages)


def test_the_plan_is_read_back_and_no_rule_finds_a_fault() -> None:
    plan = langfuse_plan()
    assert from_json(to_json(plan)) == plan
    before = {finding.rule for finding in evaluate(plan_with(None), ())}
    assert {finding.rule for finding in evaluate(plan, ())} <= before
