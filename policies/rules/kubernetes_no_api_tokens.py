"""Pods get no token of the cluster's API."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import Manifests
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for pod in manifests.pods():
        if at(pod.spec, "automountServiceAccountToken") is not False:
            yield Violated(
                "a token of the API is put into it (`automountServiceAccountToken` is not false)", file=pod.owner.place
            )
        for volume in at(pod.spec, "volumes") or ():
            for source in at(volume, "projected", "sources") or ():
                if at(source, "serviceAccountToken") is not None and not at(source, "serviceAccountToken", "audience"):
                    yield Violated(f"the volume {at(volume, 'name')} holds a token of the API", file=pod.owner.place)
    for account in manifests.of("", "ServiceAccount"):
        if account.at("automountServiceAccountToken") is not False:
            yield Violated("its token is put into pods that say nothing", file=account.place)


RULE = Rule(
    id="kubernetes-no-api-tokens",
    title="Pods get no token of the cluster's API",
    family="kubernetes",
    severity="high",
    why=(
        "A token lies in every pod unless somebody says otherwise, and whoever reads a file there can ask the "
        "cluster's API. No service of a stack needs to."
    ),
    remediation=(
        "Set `automountServiceAccountToken: false` in the pod, and give it a service account of its own; `deploy "
        "policy check FILE` shows which pods have one."
    ),
    controls=("cis-kubernetes 5.1.5", "cis-kubernetes 5.1.6", "nist AC-6", "iso27001 A.8.2"),
    references=("https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/",),
    good=(
        Example("no token", manifests=examples.application()),
        Example(
            "a token for another audience",
            manifests=examples.pods(
                volumes=[
                    {
                        "name": "vault",
                        "projected": {"sources": [{"serviceAccountToken": {"audience": "vault", "path": "t"}}]},
                    }
                ]
            ),
        ),
    ),
    bad=(
        Example("nothing said", manifests=examples.pods(automountServiceAccountToken=...)),
        Example("asked for", manifests=examples.pods(automountServiceAccountToken=True)),
        Example(
            "an account that gives it",
            manifests=examples.application({"ServiceAccount": {"automountServiceAccountToken": True}}),
        ),
        Example(
            "by a volume",
            manifests=examples.pods(
                volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]
            ),
        ),
    ),
    on_manifests=_judge,
)
