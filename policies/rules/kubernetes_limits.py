"""Containers have limits of memory and CPU."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import Manifests
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

WANTED = ("memory", "cpu")


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for pod in manifests.pods():
        for container in pod.containers():
            for name in WANTED:
                if not at(container, "resources", "limits", name):
                    yield Violated(f"container {at(container, 'name')} has no limit of {name}", file=pod.owner.place)


RULE = Rule(
    id="kubernetes-limits",
    title="Containers have limits of memory and of CPU",
    family="kubernetes",
    severity="medium",
    why=(
        "One request that makes a service grow without end takes the node's memory, and the kernel ends whichever "
        "pod it likes. With a limit it is the one that grew."
    ),
    remediation="Set `resources.limits` of `memory` and `cpu`; `deploy policy check FILE` shows who has none.",
    controls=("nist SC-5", "nist SC-6", "iso27001 A.8.6"),
    references=("https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",),
    good=(
        Example("both limits", manifests=examples.application()),
        Example(
            "limits and GPUs",
            manifests=examples.containers(**{"resources.limits": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": 1}}),
        ),
    ),
    bad=(
        Example("no limits", manifests=examples.containers(resources={})),
        Example("requests alone", manifests=examples.containers(resources={"requests": {"cpu": "1", "memory": "1Gi"}})),
        Example("memory alone", manifests=examples.containers(**{"resources.limits": {"memory": "1Gi"}})),
    ),
    on_manifests=_judge,
)
