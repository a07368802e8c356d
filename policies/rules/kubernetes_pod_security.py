"""Namespaces enforce the restricted standard; those for drivers alone may do without."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import ENFORCE, GPU_LABEL, Manifests, Object
from policies.rule import Answer, Example, NotKnown, Rule, Violated
from policies.values import at

OPEN = ("privileged", "baseline")


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for one in manifests.of("", "Namespace"):
        yield from _namespace(one)
    named = {pod.owner.namespace for pod in manifests.pods()}
    for namespace in sorted(named):
        if manifests.namespace(namespace) is None:
            yield NotKnown(f"the labels of the namespace {namespace}, which is not among the manifests")


def _namespace(namespace: Object) -> Iterator[Answer]:
    labels = namespace.at("metadata", "labels") or {}
    level, gpus = at(labels, ENFORCE), at(labels, GPU_LABEL)
    if level is None:
        yield Violated(f"nothing is enforced (`{ENFORCE}` is missing)", file=namespace.place)
    elif level != "restricted" and not (gpus == "true" and level in OPEN):
        yield Violated(f"`{ENFORCE}` is {level}, not restricted", file=namespace.place)
    version = at(labels, f"{ENFORCE}-version")
    if version not in (None, "latest") and not str(version).startswith("v1."):
        yield Violated(f"`{ENFORCE}-version` is {version}, which is none", file=namespace.place)


RULE = Rule(
    id="kubernetes-pod-security",
    title="Every namespace enforces the restricted standard, but for those of GPU drivers",
    family="kubernetes",
    severity="critical",
    why=(
        "Whoever may create a pod in a namespace without a standard has the host: a privileged container mounts its "
        "disks. Admission alone keeps out what nobody has shown to a reviewer."
    ),
    remediation=(
        "Label the namespace `pod-security.kubernetes.io/enforce=restricted`; one for drivers and device plugins "
        "alone is labelled `cloister/gpus=true`. `deploy policy check FILE` shows the verdict."
    ),
    controls=("cis-kubernetes 5.2.1", "pod-security restricted", "nist CM-7", "iso27001 A.8.9"),
    references=("https://kubernetes.io/docs/concepts/security/pod-security-admission/",),
    good=(
        Example("a restricted namespace", manifests=examples.application()),
        Example("a namespace for drivers", manifests=examples.for_gpus()),
    ),
    bad=(
        Example("no standard", manifests=examples.application({"Namespace": {"metadata.labels": {}}})),
        Example(
            "a privileged one",
            manifests=examples.application({"Namespace": {"metadata.labels": {ENFORCE: "privileged"}}}),
        ),
        Example(
            "a warning in place of a refusal",
            manifests=examples.application(
                {"Namespace": {"metadata.labels": {"pod-security.kubernetes.io/warn": "restricted"}}}
            ),
        ),
    ),
    on_manifests=_judge,
)
