"""Roles spell out what they allow, and nobody is given the whole cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import manifest_examples as examples
from policies.manifests import Manifests, Object
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

RBAC = "rbac.authorization.k8s.io"
GROWING = ("bind", "escalate", "impersonate")
ALL = ("cluster-admin", "admin", "edit")


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for one in manifests.objects:
        if one.group == RBAC:
            wrong = _role_of(one) if one.kind.endswith("Role") else _bound_by(one)
            yield from (Violated(message, file=one.place) for message in wrong)


def _role_of(role: Object) -> Iterator[str]:
    for rule in role.at("rules") or ():
        yield from _wrong(rule)
    if role.at("aggregationRule") is not None:
        yield "it takes over what other roles allow (`aggregationRule`)"


def _bound_by(binding: Object) -> Iterator[str]:
    if binding.at("roleRef", "name") in ALL:
        yield f"it gives the role {binding.at('roleRef', 'name')}"
    for subject in binding.at("subjects") or ():
        if str(at(subject, "name")).startswith("system:"):
            yield f"it gives a role to {at(subject, 'name')}"


def _wrong(rule: Any) -> Iterator[str]:
    for name in ("verbs", "resources", "apiGroups", "nonResourceURLs"):
        if any("*" in str(one) for one in at(rule, name) or ()):
            yield f"`{name}` is not spelled out"
    for verb in at(rule, "verbs") or ():
        if verb in GROWING:
            yield f"it may {verb}, and so become anybody"
    if "secrets" in (at(rule, "resources") or ()) and not at(rule, "resourceNames"):
        yield "it is about every secret (`resourceNames` is missing)"


def _role(**rule: Any) -> Any:
    usual = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    return examples.application(more=[examples.an_object(f"{RBAC}/v1", "Role", "role", rules=[{**usual, **rule}])])


def _binding(role: str, subject: str) -> Any:
    held = {"roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [{"kind": "Group", "name": subject}]}
    return examples.application(more=[examples.an_object(f"{RBAC}/v1", "ClusterRoleBinding", "binding", **held)])


RULE = Rule(
    id="kubernetes-narrow-roles",
    title="Roles name their verbs and objects, and nobody gets the whole cluster",
    family="kubernetes",
    severity="high",
    why=(
        "A role with `*` grows with every kind that is installed later, and one that may read secrets or bind roles "
        "is as good as the cluster's administrator. An intruder in its pod is then that, too."
    ),
    remediation=(
        "Spell out verbs, groups and resources, and bind roles of one namespace; `deploy policy check FILE` shows the "
        "verdict."
    ),
    controls=("cis-kubernetes 5.1.3", "nist AC-6", "iso27001 A.5.15", "soc2 CC6.3"),
    references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/",),
    good=(
        Example("one kind, to be read", manifests=_role()),
        Example("a role for a group", manifests=_binding("view", "operators")),
        Example("one secret, named", manifests=_role(resources=["secrets"], resourceNames=["tls"])),
    ),
    bad=(
        Example("every verb", manifests=_role(verbs=["*"])),
        Example("every object", manifests=_role(resources=["*"])),
        Example("every secret", manifests=_role(resources=["secrets"])),
        Example("rights that grow", manifests=_role(resources=["roles"], verbs=["escalate"])),
        Example("the whole cluster", manifests=_binding("cluster-admin", "operators")),
        Example("a role for everybody", manifests=_binding("view", "system:authenticated")),
    ),
    on_manifests=_judge,
)
