"""Pods see no folder of their node, but for drivers in their own namespace."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import Manifests
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

KINDS = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
"""Kinds of volumes that the restricted standard knows."""


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for pod in manifests.pods():
        if manifests.for_gpus(pod.owner.namespace):
            continue
        for volume in at(pod.spec, "volumes") or ():
            for kind in sorted({*volume} - {"name"} - KINDS):
                path = at(volume, kind, "path") if kind == "hostPath" else ""
                yield Violated(
                    f"the volume {at(volume, 'name')} is a {kind} {path or ''}".rstrip(), file=pod.owner.place
                )


RULE = Rule(
    id="kubernetes-no-host-paths",
    title="No pod mounts a folder of its node",
    family="kubernetes",
    severity="critical",
    why=(
        "A folder of the node is a way out of the container: what is written to its cron, its kubelet or its "
        "sockets runs as root there. It also outlives the pod, with whatever was in it."
    ),
    remediation=(
        "Use a claim (`persistentVolumeClaim`), `emptyDir` or `configMap`; drivers belong into a namespace labelled "
        "`cloister/gpus=true`. `deploy policy check FILE` shows the verdict."
    ),
    controls=("cis-kubernetes 5.2.12", "pod-security baseline", "nist AC-6", "iso27001 A.8.2"),
    references=("https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",),
    good=(
        Example("no volumes", manifests=examples.application()),
        Example("scratch space", manifests=examples.pods(volumes=[{"name": "tmp", "emptyDir": {}}])),
        Example(
            "a driver's folder", manifests=examples.for_gpus(volumes=[{"name": "dev", "hostPath": {"path": "/dev"}}])
        ),
    ),
    bad=(
        Example("the node's disk", manifests=examples.pods(volumes=[{"name": "root", "hostPath": {"path": "/"}}])),
        Example(
            "the runtime's socket",
            manifests=examples.pods(volumes=[{"name": "cri", "hostPath": {"path": "/run/containerd/containerd.sock"}}]),
        ),
        Example(
            "somebody's file server",
            manifests=examples.pods(volumes=[{"name": "nfs", "nfs": {"server": "10.0.0.9", "path": "/"}}]),
        ),
    ),
    on_manifests=_judge,
)
