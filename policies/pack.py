"""The same rules as policies of Pulumi's own policy engine; nothing is written twice.

Only this module and `policies.__main__` import `pulumi_policy`, whose import costs more than all rules together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from planner.plan import Plan, PolicyPlan, from_json
from planner.resources import UNKNOWN, Resource
from policies.finding import finding_of
from policies.levels import levelled
from policies.own import Read, rules_in
from policies.rule import PLAN, Answer, Answers, NotKnown, Rule, Stack
from policies.run import place_of
from policies.waivers import waive

NAME = "cloister"
WHOLE = "own-rules-run"
"""Name of the policy that is no rule of ours: whether a team's own rules are run."""
STACK_SUFFIX = "-stack"
"""Ends the name of a rule's second policy: the engine wants one per level, each with a name of its own."""


@dataclass(frozen=True)
class Pack:
    """The policies, and what of the world around them they need: nothing here reads a folder or a clock.

    Attributes:
        read: returns the Python files of a folder of a team's own rules.
        today: returns the day by which waivers end and models age.

    """

    read: Read
    today: Callable[[], date]

    def policies(self, rules: tuple[Rule, ...] | None = None) -> list[Policy]:
        """Return one policy for each level at which a rule judges, and one that asks whether all rules are there.

        Args:
            rules: those of the stack when None.

        Raises:
            UsageError: a folder or a rule in it cannot be used; the engine then has no pack, and goes no further.

        """
        rules = self.rules_of_stack() if rules is None else rules
        made: list[Policy] = [self._whole(rules)]
        for rule in rules:
            if rule.on_resource is not None:
                check = self._resource_check(rule, rule.on_resource)
                made.append(ResourceValidationPolicy(rule.id, rule.why, check, **_fields(rule)))
            if rule.on_stack or rule.on_plan or rule.on_day:
                check_stack = self._stack_check(rule)
                made.append(StackValidationPolicy(rule.id + STACK_SUFFIX, rule.why, check_stack, **_fields(rule)))
        return made

    def rules_of_stack(self) -> tuple[Rule, ...]:
        """Return the shipped rules and those of the folders that the stack's plan names.

        Raises:
            UsageError: a folder or a rule in it cannot be used.

        """
        plan = plan_of_stack()
        return rules_in(plan.policy.folders if plan else (), self.read)

    def _whole(self, rules: tuple[Rule, ...]) -> Policy:
        """Return the policy that refuses a stack whose own rules are not among those that are run."""
        known = {rule.id for rule in rules}

        def validate(_: StackValidationArgs, report: ReportViolation) -> None:
            missing = [rule.id for rule in self.rules_of_stack() if rule.id not in known]
            if missing:
                report(f"the plan names rules that are not run here: {', '.join(missing)}", None)

        why = "A team's own rules are read when the engine starts; a stack that names others is not judged by them."
        return StackValidationPolicy(WHOLE, why, validate, EnforcementLevel.MANDATORY)

    def _resource_check(
        self, rule: Rule, check: Callable[[Resource], Answers]
    ) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            judged = Resource(type=args.resource_type, name=args.name, urn=args.urn, inputs=_plain(args.props))
            self._report(rule, plan_of_stack(), [(place_of(judged), answer) for answer in check(judged) or ()], report)

        return validate

    def _stack_check(self, rule: Rule) -> Callable[[StackValidationArgs, ReportViolation], None]:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            plan = plan_of_stack()
            stack = Stack(plan, tuple(map(_resource, args.resources)))
            answers: list[tuple[str, Answer]] = []
            if rule.on_plan is not None and plan is not None:
                answers += [(PLAN, answer) for answer in rule.on_plan(plan) or ()]
            if rule.on_day is not None and plan is not None:
                answers += [(PLAN, answer) for answer in rule.on_day(plan, self.today()) or ()]
            if rule.on_stack is not None:
                answers += [("stack", answer) for answer in rule.on_stack(stack) or ()]
            self._report(rule, plan, answers, report)

        return validate

    def _report(
        self, rule: Rule, plan: Plan | None, answers: Iterable[tuple[str, Answer]], report: ReportViolation
    ) -> None:
        """Report violations, then what is not known: the engine shows that as advice and does not stop.

        What the plan waives or lowers is left out: `deploy` has said it already.
        """
        policy, today = plan.policy if plan else PolicyPlan(), self.today()
        in_force, _ = levelled((rule,), policy, today)
        if not in_force or in_force[0].level != rule.level:
            return
        unknown = ""
        for place, answer in answers:
            if isinstance(answer, NotKnown):
                unknown = unknown or answer.what
                continue
            where = place_of(answer.resource) if answer.resource else place
            (finding,) = waive((finding_of(rule, where, answer.message, "violated"),), policy.waivers, today)
            if finding.status != "waived":
                report(answer.message, answer.resource.urn if answer.resource else None)
        if unknown:
            raise UnknownValueError(UNKNOWN_STRING_VALUE, [unknown])


def plan_of_stack() -> Plan | None:
    """Return the plan that the stack's configuration carries to the program; None when there is none."""
    text = pulumi.Config(NAME).get("plan")
    return None if text is None else from_json(text)


def _fields(rule: Rule) -> dict[str, Any]:
    return {
        "display_name": rule.title,
        "enforcement_level": EnforcementLevel(rule.level),
        "severity": Severity(rule.severity),
        "remediation_steps": rule.remediation,
        "url": rule.references[0],
    }


def _resource(resource: PolicyResource) -> Resource:
    properties = _plain(resource.props)
    known_id = properties.get("id")  # the engine has no field for it, but providers of AWS answer it as a property
    return Resource(
        type=resource.resource_type,
        name=resource.name,
        urn=resource.urn,
        inputs=properties,
        outputs=properties,
        id=known_id if isinstance(known_id, str) else "",
        parent=resource.parent.urn if resource.parent else "",
        dependencies=tuple(dependency.urn for dependency in resource.dependencies),
    )


def _plain(value: Any) -> Any:
    """Return plain data: UNKNOWN wherever the engine's proxies would raise, and no 443.0, as gRPC writes numbers."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_item(value, index) for index in range(len(value))]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        value = container[key]
    except UnknownValueError:
        return UNKNOWN
    return _plain(value)
