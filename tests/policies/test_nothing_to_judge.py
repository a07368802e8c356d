"""A rule that had nothing to judge says so, and one that had something never does."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from planner.plan import Plan
from policies import examples
from policies.about import by_type, where
from policies.files import Files
from policies.manifests import Manifests
from policies.proof import faults
from policies.readers import on_alertmanager, on_containers, on_firewall, on_static, on_units
from policies.rule import Answer, NotKnown, Rule, Scope, Violated
from policies.rules import RULES
from policies.run import judge
from tests.policies.mutation import TODAY
from tests.policies.preview_program import STACKS
from tests.policies.stacks import CASES, Previewed

VPC = examples.resource("aws:ec2/vpc:Vpc", "main", cidrBlock="10.42.0.0/16")
BLANK = replace(RULES[0], on_resource=None, on_stack=None, on_plan=None, on_files=None)
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: elsewhere}\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n"


def judged(rule: Rule, **given: Any) -> set[Scope]:
    outcome = judge(given.get("plan"), given.get("resources", ()), (rule,), **given.get("more", {}))
    return {level for _, level in outcome.judged}


def holds(_: object) -> Iterable[Answer]:
    return ()


# What a check takes from what it is handed.

Take = Callable[[Any], object]


def taking(take: Take) -> Callable[[Any], Iterator[Answer]]:
    def check(given: Any) -> Iterator[Answer]:
        take(given)
        yield from ()

    return check


@pytest.mark.parametrize(
    ("take", "something"),
    [
        (lambda stack: list(stack.of_type("aws:ec2/vpc:Vpc")), True),
        (lambda stack: any(stack.of_type("aws:s3/bucket:Bucket", "aws:ec2/vpc:Vpc")), True),
        (lambda stack: list(stack.of_type("aws:s3/bucket:Bucket")), False),
        (lambda stack: stack.resources, True),
        (lambda stack: stack.contains("vpc-1", "aws:ec2/vpc:Vpc", seen_from=VPC), True),
        (lambda stack: stack.plan, False),
    ],
    ids=["of its type", "one of its type", "of another type", "all", "one by its id", "the plan"],
)
def test_a_stack_notices_what_it_hands_out(take: Take, *, something: bool) -> None:
    rule = replace(BLANK, on_stack=taking(take))
    assert judged(rule, resources=(VPC,)) == ({"resources"} if something else set())
    assert judged(rule) == set()


@pytest.mark.parametrize(
    ("take", "something"),
    [
        (lambda files: files.find("traefik.yml"), True),
        (lambda files: files.find("alertmanager.yml"), False),
        (lambda files: files.yaml("/etc/traefik.yml"), True),
        (lambda files: files.texts, True),
        (lambda files: list(files.named("traefik.yml")), True),
        (lambda files: list(files.named("firewall.nft")), False),
        (lambda files: list(files.units()), True),
        (lambda files: list(files.units("cloister-gateway")), True),
        (lambda files: list(files.units("cloister-engine")), False),
        (lambda files: list(files.containers()), False),
    ],
    ids=["found", "missing", "read", "all", "named", "not named", "units", "one unit", "no such unit", "containers"],
)
def test_files_notice_what_they_hand_out(take: Take, *, something: bool) -> None:
    files = {"/etc/traefik.yml": "a: 1\n", "/etc/systemd/system/cloister-gateway.service": "[Service]\nUser=x\n"}
    rule = replace(BLANK, on_files=taking(take))
    assert judged(rule, more={"files": files}) == ({"files"} if something else set())
    assert judged(replace(BLANK, on_hosts=taking(take)), more={"files": files}) == ({"hosts"} if something else set())


@pytest.mark.parametrize(
    ("take", "something"),
    [
        (lambda manifests: list(manifests.pods()), True),
        (lambda manifests: list(manifests.of("", "Pod")), True),
        (lambda manifests: list(manifests.of("", "Service")), False),
        (lambda manifests: manifests.objects, True),
        (lambda manifests: manifests.namespace("default"), False),
    ],
    ids=["pods", "a kind", "another kind", "all", "a namespace that is missing"],
)
def test_manifests_notice_what_they_hand_out(take: Take, *, something: bool) -> None:
    rule = replace(BLANK, on_manifests=taking(take))
    shared = Manifests({"pod.yaml": POD, "namespace.yaml": NAMESPACE})
    for _ in range(2):  # what was read once is kept, and handed out anew
        assert judged(rule, more={"manifests": shared}) == ({"files"} if something else set())
    assert judged(rule, more={"manifests": {}}) == set()


def test_one_rule_is_not_taken_for_another() -> None:
    """All rules read the same stack and files: what one was handed, the next was not."""
    looks = replace(BLANK, id="looks", on_stack=taking(lambda stack: list(stack.of_type(VPC.type))))
    passes = replace(BLANK, id="passes", on_stack=taking(lambda stack: list(stack.of_type("aws:s3/bucket:Bucket"))))
    outcome = judge(None, (VPC,), (looks, passes, replace(looks, id="again")))
    assert outcome.judged == {("looks", "resources"), ("again", "resources")}


# What is handed one thing says itself that it is not about it.


def test_a_check_by_type_is_about_its_types() -> None:
    rule = replace(BLANK, on_resource=by_type({VPC.type: holds}))
    assert judged(rule, resources=(VPC,)) == {"resources"}
    assert judged(rule, resources=(examples.resource("aws:s3/bucket:Bucket", "b"),)) == set()
    assert judged(replace(BLANK, on_resource=holds), resources=(VPC,)) == {"resources"}, "it may forbid any"


def test_a_check_of_plans_is_about_those_that_have_it() -> None:
    plan: Plan = examples.plan()
    assert judged(replace(BLANK, on_plan=where(lambda plan: plan.alerts, holds)), plan=plan) == set()
    assert judged(replace(BLANK, on_plan=where(lambda plan: plan.model, holds)), plan=plan) == {"plan"}
    of_day = replace(BLANK, on_day=where(lambda plan: plan.alerts, lambda _, today: [NotKnown(str(today))]))
    assert judged(of_day, plan=plan, more={"today": TODAY}) == set()
    assert judged(replace(BLANK, on_plan=holds), plan=plan) == {"plan"}


@pytest.mark.parametrize(
    ("check", "files", "something"),
    [
        (on_units(holds), {}, False),
        (on_units(holds), {"a.service": "no unit"}, True),
        (on_containers(holds), {"a.service": "[Service]\n"}, False),
        (on_containers(holds), {"a.container": "[Container]\n"}, True),
        (on_firewall(holds), {"sshd_config": ""}, False),
        (on_alertmanager(holds), {}, False),
        (on_static(holds), {}, True),
    ],
    ids=[
        "no unit",
        "what is no unit",
        "no container",
        "a container",
        "no firewall",
        "no Alertmanager",
        "must be there",
    ],
)
def test_readers(check: Callable[[Files], Iterable[Answer]], files: dict[str, str], *, something: bool) -> None:
    assert bool(judged(replace(BLANK, on_files=check), more={"files": files})) == something


@pytest.mark.parametrize("answer", [Violated("missing"), NotKnown("which")], ids=["violated", "not known"])
def test_whatever_is_found_is_found_of_something(answer: Answer) -> None:
    """A rule about what must be there was handed nothing, and finds that it is not."""
    assert judged(replace(BLANK, on_stack=lambda _: [answer])) == {"resources"}
    assert judged(replace(BLANK, on_stack=taking(lambda _: 1 / 0))) == {"resources"}


# The shipped rules.


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_judges_what_its_bad_examples_show_and_a_good_one(rule: Rule) -> None:
    def seen(example: Any) -> bool:
        more = {"files": example.files, "today": example.day, "manifests": example.manifests}
        return bool(judged(rule, plan=example.plan, resources=example.resources, more=more))

    assert all(map(seen, rule.bad))
    silent = [example.shows for example in rule.good if not seen(example)]
    assert len(silent) < len(rule.good)
    assert set(silent) <= NOTHING_OF_ITS_KIND.get(rule.id, set())


NOTHING_OF_ITS_KIND = {
    "alerts-over-tls": {"nobody is told"},
    "alerts-told": {"nobody is to be told"},
    "cost-known": {"the sandbox"},
    "data-residency": {"anywhere"},
    "deadline-switch": {"a stack without a deadline"},
    "ephemeral-ends": {"the sandbox, which nobody pays for", "a service"},
    "log-retention": {"a week, for a proof of concept"},
    "model-review": {"a model of one's own"},
    "no-stand-ins": {"a stand-in in the sandbox"},
    "owner-named": {"the sandbox, which nobody pays for"},
    "provider-certificates": {"none asked for"},
    "provider-law": {"machines of one's own"},
    "sensitive-on-one-node": {"one node on any host"},
    "sensitive-stays-inside": {"data that may be published"},
    "tagged-resources": {"a type without tags"},
}
"""Good examples that show when a rule is about something else."""


def test_a_rule_whose_good_examples_hold_nothing_of_its_kind_is_faulty() -> None:
    rule = next(rule for rule in RULES if rule.id == "private-buckets")
    empty = replace(rule, good=tuple(replace(example, resources=(VPC,)) for example in rule.good))
    assert list(faults(empty, file="private_buckets", verbs=("plan",))) == [
        "none of its good examples has anything in it that it judges"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_what_shipped_stacks_have_nothing_of_is_listed_with_its_reason(previewed: Previewed, name: str) -> None:
    shipped = previewed[name]
    outcome = judge(shipped.plan, shipped.resources, files=shipped.files, today=TODAY)
    there = {"plan", "files"} | ({"resources"} if shipped.resources else set())
    table = tomllib.loads((CASES / "nothing_to_judge.toml").read_text())
    assert all(entry["why"] for entries in table.values() for entry in entries)
    listed = {
        kind: {
            rule
            for entry in entries
            if shipped.plan.target in entry["on"] and name not in entry.get("but", ())
            for rule in entry["rules"]
        }
        for kind, entries in table.items()
    }
    silent = [rule for rule in RULES if not any(one == rule.id for one, _ in outcome.judged)]
    assert {rule.id for rule in silent if set(rule.levels) <= there} == listed["not_applicable"]
    assert {rule.id for rule in silent if not set(rule.levels) <= there} == listed["not_judged"]
