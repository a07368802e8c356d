"""Certificates are short, and for names that are known."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.rule import Answer, Example, Rule, Violated

LONGEST_DAYS = 90


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what certificates the stack makes itself, and for which names."""
    if plan.tls.mode != "given-certificate" and not 0 < plan.tls.leaf_days <= LONGEST_DAYS:
        yield Violated(f"the endpoint's certificate is good for {plan.tls.leaf_days} days, {LONGEST_DAYS} at most")
    for name in plan.tls.hostnames:
        if "*" in name:
            yield Violated(f"the certificate is for {name}, and so for hosts that nobody has thought of")


RULE = Rule(
    id="certificate-life",
    title="Certificates are good for 90 days and for names in full",
    family="encryption",
    severity="medium",
    why=(
        "A key that was copied from a host is good until its certificate ends, because nobody asks an own "
        "authority for revocations. One for `*` is good for every other host too."
    ),
    remediation="Lower `tls.leaf_days`, and name hosts in full in `tls.hostnames`; renewal is automatic.",
    controls=("nist SC-17", "nist SC-12", "iso27001 A.8.24"),
    references=("https://www.rfc-editor.org/rfc/rfc9525",),
    good=(
        Example("a month", plan=examples.changed(tls={"leaf_days": 30})),
        Example("a given certificate", plan=examples.changed(tls={"mode": "given-certificate", "leaf_days": 398})),
    ),
    bad=(
        Example("ten years", plan=examples.changed(tls={"leaf_days": 3650})),
        Example("every name", plan=examples.changed(tls={"hostnames": ("*.example.test",)})),
    ),
    on_plan=on_plan,
)
