"""Pods are what the restricted standard asks for: no root, no rights, no writing to their own programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import manifest_examples as examples
from policies.manifests import Manifests, Pod
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

SECCOMP = ("RuntimeDefault", "Localhost")
MAY_ADD = ("NET_BIND_SERVICE",)


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for pod in manifests.pods():
        if not manifests.for_gpus(pod.owner.namespace):
            for container in pod.containers():
                for wrong in _wrong(pod, container):
                    yield Violated(f"container {at(container, 'name')}: {wrong}", file=pod.owner.place)


def _wrong(pod: Pod, container: Any) -> Iterator[str]:
    own = at(container, "securityContext") or {}

    def setting(*path: str) -> Any:
        value = at(own, *path)
        return at(pod.spec, "securityContext", *path) if value is None else value

    if setting("runAsNonRoot") is not True or setting("runAsUser") == 0:
        yield "it may run as root (`runAsNonRoot`)"
    if at(own, "allowPrivilegeEscalation") is not False:
        yield "it may gain rights (`allowPrivilegeEscalation` is not false)"
    if "ALL" not in (at(own, "capabilities", "drop") or ()):
        yield "it keeps capabilities (`capabilities.drop` is not ALL)"
    if added := [one for one in at(own, "capabilities", "add") or () if one not in MAY_ADD]:
        yield f"it is given the capability {added[0]}"
    if setting("seccompProfile", "type") not in SECCOMP:
        yield "every system call is open to it (`seccompProfile`)"
    if at(own, "readOnlyRootFilesystem") is not True:
        yield "it may change its own programs (`readOnlyRootFilesystem` is not true)"


_WHERE = "securityContext"
RULE = Rule(
    id="kubernetes-restricted-pods",
    title="Pods run without root, rights and a writable system",
    family="kubernetes",
    severity="high",
    why=(
        "A hole in a service that runs as root with capabilities is a way to the node, and from there to every "
        "other pod. Without them, and with its programs read-only, an intruder has the service and no more."
    ),
    remediation=(
        "Set `runAsNonRoot`, `allowPrivilegeEscalation: false`, `capabilities.drop: [ALL]`, a seccomp profile and "
        "`readOnlyRootFilesystem`; `deploy policy check FILE` shows what is missing."
    ),
    controls=(
        "cis-kubernetes 5.2.6",
        "cis-kubernetes 5.2.7",
        "cis-kubernetes 5.2.9",
        "cis-kubernetes 5.2.10",
        "pod-security restricted",
        "nist AC-6",
    ),
    references=("https://kubernetes.io/docs/concepts/security/pod-security-standards/",),
    good=(
        Example("a restricted pod", manifests=examples.application()),
        Example("a driver in its namespace", manifests=examples.for_gpus(securityContext={})),
        Example(
            "a low port",
            manifests=examples.containers(**{f"{_WHERE}.capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
        ),
    ),
    bad=(
        Example("root", manifests=examples.pods(**{f"{_WHERE}.runAsNonRoot": ...})),
        Example("root by number", manifests=examples.containers(**{f"{_WHERE}.runAsUser": 0})),
        Example("rights that may grow", manifests=examples.containers(**{f"{_WHERE}.allowPrivilegeEscalation": ...})),
        Example("capabilities", manifests=examples.containers(**{f"{_WHERE}.capabilities": ...})),
        Example(
            "one capability more",
            manifests=examples.containers(**{f"{_WHERE}.capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
        ),
        Example("no seccomp", manifests=examples.pods(**{f"{_WHERE}.seccompProfile": {"type": "Unconfined"}})),
        Example("a writable system", manifests=examples.containers(**{f"{_WHERE}.readOnlyRootFilesystem": False})),
        Example(
            "root in a container that only starts the others",
            manifests=examples.pods(
                initContainers=[{**examples.CONTAINER, "name": "start", "securityContext": {"runAsUser": 0}}]
            ),
        ),
    ),
    on_manifests=_judge,
)
