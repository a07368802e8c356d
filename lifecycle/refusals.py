"""What a policy forbids is not done: findings become refusals."""

from __future__ import annotations

from lifecycle.policies import rules_of, today
from planner.errors import PolicyRefusedError
from planner.plan import Plan
from planner.resources import Resource
from policies.rule import Rule
from policies.run import Finding, card, evaluate_resource, refusals, rule_of


def refuse_violations(findings: tuple[Finding, ...], rules: tuple[Rule, ...]) -> None:
    """Stop on the first mandatory violation, with its card.

    Args:
        findings: what the rules found.
        rules: those that ran, a team's own among them.

    Raises:
        PolicyRefusedError: a mandatory rule is violated.

    """
    refused = refusals(findings)
    if not refused:
        return
    first = refused[0]
    told = card(rule_of(first, rules))
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    raise PolicyRefusedError(
        f"policy {first.rule} refuses {first.resource}: {first.message}{more}",
        hint=f"{first.remediation} Nothing was created; `deploy plan` shows every finding.",
        details=(
            ("policy", f"{told.id} ({told.severity}): {told.title}"),
            ("why", told.why),
            ("remedy", told.remediation),
            ("see", "; ".join(told.references)),
        ),
    )


def refuse_resource(plan: Plan, resource: Resource) -> None:
    """Judge a resource just before it is made: some values (a role's policy) are known only now.

    Raises:
        PolicyRefusedError: a mandatory rule is violated by what is asked for.

    """
    rules = rules_of(plan)
    refuse_violations(evaluate_resource(resource, rules, policy=plan.policy, today=today()), rules)
