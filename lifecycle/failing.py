"""A verb that AWS stopped: what failed and why, what exists now and what it costs, and what to run next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Literal

from lifecycle.aws.errors import DENIED, EXPIRED, smallest_policy, told
from lifecycle.operator_policy.actions import action_of
from planner.errors import DeployError
from planner.plan import Plan
from planner.resources import Resource
from sandbox.engine.failures import ResourcesFailedError, said, short

if TYPE_CHECKING:
    from lifecycle.engines import ResourceEngine

Verb = Literal["up", "down"]
NODE = "aws:ec2/instance:Instance"
_LIMITS = {"VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"}
_NO_CAPACITY = {"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity"}
_STABLE = (
    (EXPIRED, "credentials_expired"),
    (DENIED, "not_allowed"),
    (_LIMITS, "quota_exceeded"),
    (_NO_CAPACITY, "no_capacity"),
)
"""AWS's codes -> ours, for scripts."""
_NAMED = re.compile(r"not authorized to perform:? (?P<action>[a-z0-9-]+:[A-Za-z]+)")
"""How AWS names the action, where it does: for a launch that may be `iam:PassRole`."""
_SERVICES = (
    *("ec2", "iam", "kms", "logs", "route53", "s3", "secretsmanager", "ssm", "sts"),
    *("autoscaling", "budgets", "elbv2", "scheduler", "service-quotas", "resourcegroupstaggingapi"),
)


@contextmanager
def telling_what_exists(plan: Plan, engine: ResourceEngine, verb: Verb) -> Iterator[None]:
    """Turn a failure of resources into what a person needs to know.

    Raises:
        DeployError: in place of the engine's.

    """
    from botocore.exceptions import ClientError, HTTPClientError  # noqa: PLC0415 - loaded by whoever raises them

    try:
        yield
    except ResourcesFailedError as error:
        raise in_words(error.failures, error.skipped, plan, engine.resources(), verb) from error
    except (ClientError, HTTPClientError) as error:  # the account was only looked at
        raise in_words({"the account": error}, 0, plan, engine.resources(), verb) from error


@contextmanager
def telling_which_call(region: str) -> Iterator[None]:
    """Turn the refusal of any call in a block into words; which call it was stands in the refusal.

    Raises:
        DeployError: in place of the SDK's exception.

    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded by whoever raises it

    with told("the account", region):
        try:
            yield
        except ClientError as error:
            with told(missing_action(error), region):
                raise


def in_words(
    failures: Mapping[str, Exception], skipped: int, plan: Plan, resources: Sequence[Resource], verb: Verb
) -> DeployError:
    """Return the whole story of a verb that could not finish.

    Args:
        failures: what failed (a URN, or in words), and what was raised.
        skipped: how many resources were not tried because of it.
        plan: says what nodes cost.
        resources: what exists now.
        verb: what was being done.

    """
    names = {short(urn) if "::" in urn else urn: cause for urn, cause in failures.items()}
    # The one that says most comes first: of ten failures after credentials expired, all say the same.
    name, cause = min(names.items(), key=lambda item: not _code(item[1]))
    others = [other for other in names if other != name]
    more = f"; also failed: {', '.join(others)}" if others else ""
    waiting = f"{skipped} resources that need it were not tried." if skipped else ""
    go_on = (
        "`deploy up` goes on from here; `deploy down` takes everything away."
        if verb == "up"
        else "`deploy down` again goes on from here, and sweeps what the state does not know."
    )
    told = (_remedy(cause, plan), waiting, what_exists(plan, resources), go_on)
    return DeployError(
        f"{name} failed: {said(cause)}{more}", hint=" ".join(part for part in told if part), code=_stable(cause)
    )


def what_exists(plan: Plan, resources: Sequence[Resource]) -> str:
    """Say what there is now, and what it costs from now on: nodes are what costs."""
    there = [resource for resource in resources if resource.id]
    nodes = sum(resource.type == NODE for resource in there)
    hourly = plan.cost.usd_per_hour_on_aws
    if not nodes:
        costs = "no node among them: less than 1 USD per hour"
    elif hourly is None:
        costs = (
            f"{nodes} of {len(plan.nodes)} nodes among them, whose price in USD per hour the catalogue does not know"
        )
    else:
        price = nodes * hourly / len(plan.nodes)
        costs = f"{nodes} of {len(plan.nodes)} nodes among them: {price:.2f} USD per hour"
    real = "" if plan.cost.usd_per_hour else ", were this AWS itself"
    return f"{len(there)} resources exist and are recorded, {costs}{real}."


def missing_action(error: Exception) -> str:
    """Return the IAM action that a refused call needs, as policies write it."""
    if named := _NAMED.search(said(error)):
        return named["action"]
    operation = str(getattr(error, "operation_name", ""))
    return action_of(f"{_service_of(operation)}:{operation}")


@cache
def _service_of(operation: str) -> str:
    """Return the service that has an operation; the first of those that a stack uses."""
    import botocore.session  # noqa: PLC0415 - takes a tenth of a second, which only a refusal pays for

    session = botocore.session.Session()
    return next(
        (service for service in _SERVICES if operation in session.get_service_model(service).operation_names), "*"
    )


def _remedy(cause: Exception, plan: Plan) -> str:
    """Say what to do about a cause that is known."""
    code = _code(cause)
    if code in EXPIRED:
        return "The credentials have expired. Sign in again (`aws sso login`, or new temporary credentials)."
    if code in DENIED:
        action = missing_action(cause)
        return (
            f"The credentials lack {action}. Ask for this in their policy, narrowed as the account wants: "
            f"{smallest_policy(action)}."
        )
    kinds = ", ".join(sorted({node.instance_type for node in plan.nodes}))
    if code in _LIMITS:
        return (
            f"The account's quota of vCPUs does not hold {len(plan.nodes)} x {kinds}: ask for more in the console, "
            f"under Service Quotas, Amazon EC2, in {plan.network.region}."
        )
    if code in _NO_CAPACITY:
        return (
            f"AWS has no free {kinds} there now: try later, another subnet or region, or reserve "
            "(`deploy capacity find` lists Capacity Blocks)."
        )
    return ""


def _code(cause: Exception) -> str:
    response = getattr(cause, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _stable(cause: Exception) -> str:
    """Return a stable code for scripts."""
    if isinstance(cause, DeployError):
        return cause.code
    return next((stable for codes, stable in _STABLE if _code(cause) in codes), "resource_failed")
