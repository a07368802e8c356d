"""Proving who can reach a stack."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import msgspec

from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.engines import PROJECT
from lifecycle.failing import telling_which_call
from lifecycle.home import StackHome
from lifecycle.node_files import first_nodes, node_files
from lifecycle.policy_check import LAYOUT
from lifecycle.provision import Provisioner
from planner.errors import DeployError
from planner.plan import Plan
from planner.progress import Progress
from planner.resources import Resource
from policies.exposure.exposure import Exposure
from policies.exposure.listeners import listeners_of, machines_of
from policies.exposure.planned import planned
from policies.exposure.reach import prove
from sandbox.engine.offline import offline_answers
from sandbox.handlers.base import Clients


def exposure_of_plan(plan: Plan, progress: Progress) -> Exposure:
    """Prove it of what the program would make; no account is asked."""
    with progress.step("resources, imagined"):
        resources = resources_of(plan)
    return prove(planned(first_nodes(plan), resources, node_files(plan, LAYOUT)), of="plan", stack=plan.stack)


def resources_of(plan: Plan) -> tuple[Resource, ...]:
    """Return what the program registers for a plan, with ids that are made up."""
    from sandbox.engine.imagining import imagine  # noqa: PLC0415 - imports Pulumi
    from stacks.deploy import deploy  # noqa: PLC0415 - as above

    answers = dict(offline_answers(plan.network.region))
    found = imagine(lambda: deploy(plan), answers, project=PROJECT, stack=plan.stack)
    return tuple(sorted(found, key=attrgetter("urn")))  # registered by threads, in whatever order they came


def exposure_of_account(
    plan: Plan, home: StackHome, progress: Progress, files: Mapping[str, str] | None = None
) -> Exposure:
    """Prove it of what is there, asked from the account and not from our own notes.

    Args:
        plan: of the stack; with hosts where their files are given.
        home: of the stack.
        progress: told what is read.
        files: as they were read where the services run; None for those that were rendered for them.

    Raises:
        DeployError: the stack is on hosts or has no network, its account does not answer, or the credentials are of
            another one.

    """
    if plan.target == "metal":
        raise DeployError(
            f"{plan.stack!r} is on hosts: there is no account whose network could be proven",
            hint="`deploy verify` probes each host from outside and from inside; `deploy audit` reads its firewall.",
            code="no_account",
        )
    if plan.target == "aws":
        check_account(AwsSession(plan.network.region), plan.account.number)
    made = Provisioner(plan, home, progress)
    vpc_id = _vpc_id(made, plan)
    if not made.account_answers():
        raise DeployError(
            f"the account of stack {plan.stack!r} does not answer",
            hint="`deploy up` starts it; `deploy exposure --profile NAME` proves the plan without it.",
            code="no_account",
        )
    with progress.step("the account's network, read"):
        if files is None:
            plan, files = first_nodes(plan), node_files(plan, home.layout)
        return prove_account(made.clients(), vpc_id, plan, files)


def prove_account(clients: Clients, vpc_id: str, plan: Plan, files: Mapping[str, str] | None = None) -> Exposure:
    """Prove it of a VPC and whatever leads there.

    Args:
        clients: of the account; nothing is changed.
        vpc_id: the VPC, made or given.
        plan: names the clients.
        files: as rendered, which say where programs listen; None where nobody asks.

    Raises:
        DeployError: the account does not let us look.

    """
    from lifecycle.exposure.account import read_network  # noqa: PLC0415 - only where an account is asked

    with telling_which_call(plan.network.region):
        network = read_network(
            clients,
            vpc_id,
            stack=plan.stack,
            named=plan.network.client_cidrs,
            named_lists=plan.network.client_prefix_lists,
            port=plan.network.gateway_port,
        )
    if files is not None:
        machines = machines_of(plan, files)
        listeners = () if machines else listeners_of(plan, files)
        network = msgspec.structs.replace(network, listeners=listeners, machines=machines)
    return prove(network, of="account", stack=plan.stack)


def _vpc_id(made: Provisioner, plan: Plan) -> str:
    if plan.network.given:
        return plan.network.given.vpc_id
    found = [resource.id for resource in made.resources() if resource.type == "aws:ec2/vpc:Vpc"]
    if not found:
        raise DeployError(
            f"stack {plan.stack!r} has no network yet",
            hint="`deploy up` makes it; `deploy exposure --profile NAME` proves the plan.",
            code="no_network",
        )
    return found[0]
