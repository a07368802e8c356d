"""No container is privileged, but for drivers in their own namespace."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import Manifests
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for pod in manifests.pods():
        if manifests.for_gpus(pod.owner.namespace):
            continue
        for container in pod.containers():
            own = at(container, "securityContext") or {}
            if at(own, "privileged") not in (None, False):
                yield Violated(f"container {at(container, 'name')} is privileged", file=pod.owner.place)
            if at(own, "procMount") not in (None, "Default"):
                yield Violated(
                    f"container {at(container, 'name')} sees the host's /proc (`procMount`)", file=pod.owner.place
                )


RULE = Rule(
    id="kubernetes-no-privileged",
    title="No container is privileged outside of the namespaces of GPU drivers",
    family="kubernetes",
    severity="critical",
    why=(
        "A privileged container is root on the node: it sees every device, and every other pod's memory. Whoever "
        "breaks into one has the weights, the prompts and the keys of all that run there."
    ),
    remediation=(
        "Leave `privileged` out; GPUs are given by the device plugin (`nvidia.com/gpu`). "
        "`deploy policy check FILE` shows the verdict."
    ),
    controls=("cis-kubernetes 5.2.2", "pod-security baseline", "nist AC-6", "iso27001 A.8.2"),
    references=("https://kubernetes.io/docs/concepts/security/pod-security-standards/",),
    good=(
        Example("an application", manifests=examples.application()),
        Example(
            "a driver in its namespace",
            manifests=examples.for_gpus(containers=[{**examples.CONTAINER, "securityContext": {"privileged": True}}]),
        ),
    ),
    bad=(
        Example("a privileged container", manifests=examples.containers(**{"securityContext.privileged": True})),
        Example(
            "one at the start",
            manifests=examples.pods(
                initContainers=[{**examples.CONTAINER, "name": "start", "securityContext": {"privileged": True}}]
            ),
        ),
        Example("the host's /proc", manifests=examples.containers(**{"securityContext.procMount": "Unmasked"})),
    ),
    on_manifests=_judge,
)
