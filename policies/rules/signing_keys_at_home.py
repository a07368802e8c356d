"""Keys that make tokens and certificates never reach a host that serves."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan, SecretRef
from planner.resources import Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

HOME = ("jwt-signing-key", "ca-key")
"""Secrets that sign."""
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a type of resource
PARAMETER = "aws:ssm/parameter:Parameter"


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge which secrets hosts read, and what services get."""
    for secret in plan.secrets:
        if secret.name in HOME and secret.on_hosts:
            yield Violated(f"hosts read {secret.name}, with which tokens or certificates are made")
    for service in plan.services:
        for variable, name in service.secret_env.items():
            if name in HOME:
                yield Violated(f"{service.name} gets {name} (`{variable}`), with which tokens or certificates are made")


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge what the account's stores are to hold for hosts."""
    name = str(at(resource.inputs, "name") or resource.name)
    for kept in HOME:
        if name.rpartition("/")[2] == kept or resource.name.endswith(kept):
            yield Violated(f"{kept} is put where hosts read it")


def _secret(name: str, *, on_hosts: bool) -> Plan:
    return examples.changed(secrets=(SecretRef(name=name, purpose="example", on_hosts=on_hosts),))


RULE = Rule(
    id="signing-keys-at-home",
    title="Keys that sign stay off the hosts",
    family="identity",
    severity="critical",
    why=(
        "Whoever breaks into the host that serves reads every secret on it. With the signing key among them the "
        "intruder makes tokens and certificates of its own, long after it has been shut out."
    ),
    remediation=(
        "Keep the key where `deploy` runs: hosts get public keys alone. `deploy backup keys.age` keeps it safe."
    ),
    controls=("nist SC-12", "nist SC-17", "iso27001 A.8.24", "soc2 CC6.1"),
    references=("https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final",),
    good=(
        Example("a signing key at home", plan=_secret("jwt-signing-key", on_hosts=False)),
        Example("the endpoint's own key on its host", plan=_secret("tls-key", on_hosts=True)),
        Example(
            "the endpoint's own key in the account", (examples.resource(SECRET, "tls-key", name="cloister/s/tls-key"),)
        ),
    ),
    bad=(
        Example("a signing key on hosts", plan=_secret("jwt-signing-key", on_hosts=True)),
        Example("the authority's key on hosts", plan=_secret("ca-key", on_hosts=True)),
        Example(
            "a service that gets it",
            plan=examples.changed(services=(examples.service("gateway", secret_env={"KEY": "jwt-signing-key"}),)),
        ),
        Example("the authority's key in the account", (examples.resource(SECRET, "ca", name="cloister/s/ca-key"),)),
    ),
    on_plan=on_plan,
    on_resource=by_type(dict.fromkeys((SECRET, PARAMETER), on_resource)),
)
