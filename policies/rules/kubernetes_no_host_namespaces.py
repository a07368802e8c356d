"""Pods share neither network, processes nor ports with their node."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import Manifests
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

SHARED = {"hostNetwork": "network", "hostPID": "processes", "hostIPC": "memory"}


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for pod in manifests.pods():
        for name, what in SHARED.items():
            if at(pod.spec, name) not in (None, False):
                yield Violated(f"it shares the node's {what} (`{name}`)", file=pod.owner.place)
        for container in pod.containers():
            for port in at(container, "ports") or ():
                if at(port, "hostPort"):
                    yield Violated(
                        f"it listens on the node at {at(port, 'hostPort')} (`hostPort`)", file=pod.owner.place
                    )


RULE = Rule(
    id="kubernetes-no-host-namespaces",
    title="No pod shares its node's network, processes or ports",
    family="kubernetes",
    severity="critical",
    why=(
        "A pod in the node's network passes every network policy, and reaches what listens on the node's loopback. "
        "One that sees its processes reads their environments, secrets among them."
    ),
    remediation=(
        "Leave out `hostNetwork`, `hostPID`, `hostIPC` and `hostPort`, "
        "and reach pods by services; `deploy policy check FILE` shows the verdict."
    ),
    controls=(
        "cis-kubernetes 5.2.3",
        "cis-kubernetes 5.2.4",
        "cis-kubernetes 5.2.5",
        "cis-kubernetes 5.2.13",
        "pod-security baseline",
        "nist SC-7",
    ),
    references=("https://kubernetes.io/docs/concepts/security/pod-security-standards/",),
    good=(
        Example("an application", manifests=examples.application()),
        Example("a port of its own", manifests=examples.containers(ports=[{"containerPort": 8080}])),
    ),
    bad=(
        Example("the node's network", manifests=examples.pods(hostNetwork=True)),
        Example("the node's processes", manifests=examples.pods(hostPID=True)),
        Example("the node's memory", manifests=examples.pods(hostIPC=True)),
        Example("a port of the node", manifests=examples.containers(ports=[{"containerPort": 8080, "hostPort": 8080}])),
        Example("the network, even for drivers", manifests=examples.for_gpus(hostNetwork=True)),
    ),
    on_manifests=_judge,
)
