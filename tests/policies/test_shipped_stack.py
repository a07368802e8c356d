"""What the program really registers passes, for every shipped profile; and what is spoilt in it is caught."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date
from typing import Any

import msgspec
import pytest

from policies.run import evaluate, refusals
from tests.policies.preview_program import STACKS
from tests.policies.stacks import CASES, Previewed, change

MUTANTS: list[dict[str, Any]] = json.loads((CASES / "shipped_mutants.json").read_text())

pytestmark = pytest.mark.slow  # imports Pulumi and runs the program for every profile and target


TODAY = date(2026, 11, 21)
ADVICE = {"owner-named", "ephemeral-ends", "cost-known"}
"""What is told of stacks that somebody pays for, and stops nothing: shipped profiles name no owner and no end."""


@pytest.mark.parametrize("name", STACKS)
def test_shipped_profile_passes_without_a_waiver(previewed: Previewed, name: str) -> None:
    shipped = previewed[name]
    assert shipped.plan.policy.waivers == ()
    findings = evaluate(shipped.plan, shipped.resources, files=shipped.files, today=TODAY)
    on_hosts = shipped.plan.target == "metal"
    assert (len(shipped.resources) > 20) != on_hosts
    units = any(path.endswith("cloister-engine.service") or "engine-0" in path for path in shipped.files)
    assert units == (shipped.plan.target != "sandbox")
    assert refusals(findings) == ()
    assert {finding.status for finding in findings} <= {"unknown", "violated"}
    told = {finding.rule for finding in findings if finding.status == "violated"}
    assert told <= (ADVICE if shipped.plan.target == "aws" else set())
    # The documents of roles, and of KMS's endpoint, name ARNs that exist only later; all else is decided beforehand.
    places = {finding.resource.rpartition("::")[0] for finding in findings if finding.status == "unknown"}
    assert places == (set() if on_hosts else {"aws:iam/rolePolicy:RolePolicy", "aws:ec2/vpcEndpoint:VpcEndpoint"})


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant["mutant"]))
def test_spoilt_program_is_refused(previewed: Previewed, mutant: dict[str, Any]) -> None:
    plan, resources = previewed["2xh200 on sandbox"].plan, previewed["2xh200 on sandbox"].resources
    victim = next(r for r in resources if r.type == mutant["type"] and r.name == mutant.get("name", r.name))
    inputs = deepcopy(dict(victim.inputs))
    change(inputs, mutant["path"], mutant["value"])
    spoilt = msgspec.structs.replace(victim, inputs=inputs)
    caught = refusals(evaluate(plan, [spoilt if resource is victim else resource for resource in resources]))
    assert {(finding.rule, finding.status) for finding in caught} == {(mutant["rule"], "violated")}
    assert {finding.resource for finding in caught} == {f"{victim.type}::{victim.name}"}


def test_nodes_reach_receivers_of_alerts_and_nothing_more(previewed: Previewed) -> None:
    def ways_out(name: str) -> set[tuple[Any, ...]]:
        rules = [one.inputs for one in previewed[name].resources if "SecurityGroupEgressRule" in one.type]
        return {
            (one["cidrIpv4"], one["fromPort"], one["toPort"], one["ipProtocol"]) for one in rules if "cidrIpv4" in one
        }

    assert ways_out("poc on aws") == set()
    assert ways_out("poc on aws, with receivers of alerts") == {
        ("10.42.9.9/32", 8443, 8443, "tcp"),
        ("10.42.9.8/32", 587, 587, "tcp"),
    }
