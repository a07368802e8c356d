"""Services are the cluster's own: nothing is published by them."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import Manifests
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

OUTWARD = ("externalIPs", "externalName", "loadBalancerIP")


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for one in manifests.of("", "Service"):
        kind = one.at("spec", "type")
        if kind not in (None, "ClusterIP"):
            yield Violated(f"it is of the type {kind}, not ClusterIP", file=one.place)
        for name in OUTWARD:
            if one.at("spec", name):
                yield Violated(f"it names what is outside (`{name}`)", file=one.place)
        for port in one.at("spec", "ports") or ():
            if at(port, "nodePort"):
                yield Violated(f"it listens on every node at {at(port, 'nodePort')}", file=one.place)


RULE = Rule(
    id="kubernetes-service-types",
    title="Services are reached from inside the cluster alone",
    family="kubernetes",
    severity="high",
    why=(
        "A NodePort listens on every node, and a LoadBalancer asks the cloud for a public address: each is a way "
        "past the proxy that authenticates. An external address or name takes traffic to wherever somebody wrote."
    ),
    remediation=(
        "Use `type: ClusterIP`, and let clients in by the proxy and `network.client_cidrs`; "
        "`deploy policy check FILE` shows the verdict."
    ),
    controls=("nist SC-7", "iso27001 A.8.20", "soc2 CC6.6"),
    references=("https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types",),
    good=(
        Example("a service of the cluster", manifests=examples.application()),
        Example("one without an address", manifests=examples.application({"Service": {"spec.clusterIP": "None"}})),
    ),
    bad=(
        Example("a port of every node", manifests=examples.application({"Service": {"spec.type": "NodePort"}})),
        Example("a balancer", manifests=examples.application({"Service": {"spec.type": "LoadBalancer"}})),
        Example(
            "an outside name",
            manifests=examples.application(
                {"Service": {"spec": {"type": "ExternalName", "externalName": "example.com"}}}
            ),
        ),
        Example("an outside address", manifests=examples.application({"Service": {"spec.externalIPs": ["192.0.2.1"]}})),
    ),
    on_manifests=_judge,
)
