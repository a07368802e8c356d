"""Every namespace drops what no policy names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.networks import is_private
from policies import manifest_examples as examples
from policies.manifests import Manifests, Object
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

GROUP, KIND = "networking.k8s.io", "NetworkPolicy"
BOTH = {"Ingress", "Egress"}


def _judge(manifests: Manifests) -> Iterator[Answer]:
    policies = tuple(manifests.of(GROUP, KIND))
    for namespace in sorted({pod.owner.namespace for pod in manifests.pods()}):
        if not any(_denies_all(one) for one in policies if one.namespace == namespace):
            place = next(pod.owner.place for pod in manifests.pods() if pod.owner.namespace == namespace)
            yield Violated(f"no policy of the namespace {namespace} drops what the others do not name", file=place)
    for one in policies:
        for side, peers in (("ingress", "from"), ("egress", "to")):
            for rule in one.at("spec", side) or ():
                yield from (Violated(f"`{side}`: {wrong}", file=one.place) for wrong in _wrong(rule, peers))


def _denies_all(policy: Object) -> bool:
    spec = policy.at("spec") or {}
    return (
        at(spec, "podSelector") == {}
        and {*(at(spec, "policyTypes") or ())} == BOTH
        and not at(spec, "ingress")
        and not at(spec, "egress")
    )


def _wrong(rule: Any, peers: str) -> Iterator[str]:
    if not at(rule or {}, peers):
        yield f"a rule without `{peers}` is for everybody"
        return
    for peer in at(rule, peers):
        cidr = at(peer, "ipBlock", "cidr")
        if cidr is not None and not is_private(cidr):
            yield f"{cidr} is not a private network"
        if at(peer, "namespaceSelector") == {} and not at(peer, "podSelector"):
            yield "every pod of every namespace is named"
    if not at(rule, "ports"):
        yield "a rule without `ports` is for all of them"


def _with(side: str, **rule: Any) -> Any:
    spec = {"podSelector": {"matchLabels": {"app": "gateway"}}, "policyTypes": [side.capitalize()], side: [rule]}
    return examples.application(more=[examples.an_object(f"{GROUP}/v1", KIND, "gateway", spec=spec)])


_PORTS = [{"port": 8080, "protocol": "TCP"}]
_PROXY = {"podSelector": {"matchLabels": {"app": "traefik"}}}


RULE = Rule(
    id="kubernetes-default-deny",
    title="Every namespace with pods drops the traffic that no policy names",
    family="kubernetes",
    severity="critical",
    why=(
        "Without a policy every pod reaches every other, of any namespace, and the internet if the nodes do. An "
        "intruder in one pod then talks to the engines behind the gateway, whose own key leaves routes open."
    ),
    remediation=(
        "Add a `NetworkPolicy` with an empty `podSelector` and both `policyTypes`, and name peers in further ones; "
        "`deploy policy check FILE` shows which namespace has none."
    ),
    controls=("cis-kubernetes 5.3.2", "nist SC-7", "nist AC-4", "iso27001 A.8.22", "soc2 CC6.6"),
    references=("https://kubernetes.io/docs/concepts/services-networking/network-policies/",),
    good=(
        Example("a policy that denies", manifests=examples.application()),
        Example("one peer, one port", manifests=_with("ingress", **{"from": [_PROXY], "ports": _PORTS})),
        Example("a private network", manifests=_with("egress", to=[{"ipBlock": {"cidr": "10.0.0.0/8"}}], ports=_PORTS)),
    ),
    bad=(
        Example("no policy", manifests=examples.application(without=("NetworkPolicy",))),
        Example("one side alone", manifests=examples.application({"NetworkPolicy": {"spec.policyTypes": ["Ingress"]}})),
        Example(
            "some pods alone",
            manifests=examples.application({"NetworkPolicy": {"spec.podSelector": {"matchLabels": {"app": "x"}}}}),
        ),
        Example(
            "another namespace's", manifests=examples.application({"NetworkPolicy": {"metadata.namespace": "other"}})
        ),
        Example("everybody in", manifests=_with("ingress", ports=_PORTS)),
        Example("the internet", manifests=_with("egress", to=[{"ipBlock": {"cidr": "0.0.0.0/0"}}], ports=_PORTS)),
        Example(
            "every namespace", manifests=_with("ingress", **{"from": [{"namespaceSelector": {}}], "ports": _PORTS})
        ),
        Example("every port", manifests=_with("ingress", **{"from": [_PROXY]})),
    ),
    on_manifests=_judge,
)
