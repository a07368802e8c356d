"""A good stack passes; every way of spoiling it is caught, by the rule that is there for it."""

from __future__ import annotations

import pytest

from planner.plan import Plan
from planner.resources import Resource
from policies import examples
from policies.rules import RULES
from policies.run import evaluate, evaluate_resource, refusals
from tests.policies.stacks import Record, good_stack, mutants, mutate, preview, settled

PLAN = examples.plan(client_cidrs=("10.20.0.0/16",), gateway_port=8443)


def spoil(mutant: Record) -> tuple[Plan, list[Record]]:
    changes = {name: tuple(v) if isinstance(v, list) else v for name, v in mutant.get("plan", {}).items()}
    plan = examples.plan(**{"client_cidrs": ("10.20.0.0/16",), "gateway_port": 8443, **changes})
    return plan, mutate(good_stack(), mutant)


def test_good_stack_has_no_finding_once_it_exists() -> None:
    assert evaluate(PLAN, settled(good_stack())) == ()


def test_good_stack_is_not_refused_before_it_exists() -> None:
    assert refusals(evaluate(PLAN, preview(good_stack()))) == ()


def test_what_is_unknown_refuses_once_everything_should_be_known() -> None:
    unknown = evaluate(None, settled(good_stack()))
    assert {finding.status for finding in unknown} == {"unknown"}
    assert refusals(unknown) == ()
    assert refusals(unknown, settled=True) == unknown


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: str(mutant["mutant"]))
@pytest.mark.parametrize("exists", [True, False], ids=["exists", "preview"])
def test_mutant_is_caught(mutant: Record, *, exists: bool) -> None:
    plan, records = spoil(mutant)
    resources: tuple[Resource, ...] = settled(records) if exists else preview(records)
    caught = refusals(evaluate(plan, resources))
    assert mutant["rule"] in {finding.rule for finding in caught}
    assert {finding.status for finding in caught} == {"violated"}
    assert all(finding.remediation and finding.message for finding in caught)


def test_mutants_name_rules() -> None:
    assert {mutant["rule"] for mutant in mutants()} <= {rule.id for rule in RULES}
    assert len(mutants()) >= 100


def test_one_resource_is_refused_before_it_is_created() -> None:
    mutant = next(m for m in mutants() if m["mutant"] == "the subnet gives public addresses")
    _, records = spoil(mutant)
    refused = [r.name for r in settled(records) if refusals(evaluate_resource(r))]
    assert refused == ["private-a"]
