"""What no rule knows cannot be judged, so it may not be in a manifest: the rules deny by default."""

from __future__ import annotations

from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import PODS, Manifests
from policies.rule import Answer, Example, Rule, Violated

JUDGED = frozenset(
    {
        *PODS,
        ("", "Namespace"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
    }
)
"""Group and kind of what rules judge."""

HARMLESS = {
    ("", "ConfigMap"): "holds settings, which the pods that read them are judged for",
    ("", "LimitRange"): "only narrows",
    ("", "PersistentVolumeClaim"): "asks for storage, and names no host",
    ("", "ResourceQuota"): "only narrows",
    ("autoscaling", "HorizontalPodAutoscaler"): "says how many pods there are",
    ("keda.sh", "ScaledObject"): "says how many pods there are",
    ("policy", "PodDisruptionBudget"): "says how many pods stay",
    ("scheduling.k8s.io", "PriorityClass"): "says which pods go first",
}
"""Group and kind of what opens nothing whatever it says, and why."""


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for one in manifests.objects:
        if (one.group, one.kind) not in JUDGED and (one.group, one.kind) not in HARMLESS:
            kind = f"{one.kind} of {one.group}" if one.group else one.kind
            yield Violated(
                f"no rule judges objects of the kind {kind}, so nobody can say what this opens", file=one.place
            )


RULE = Rule(
    id="kubernetes-judged-kinds",
    title="Only kinds of objects that the rules can judge",
    family="kubernetes",
    severity="high",
    why=(
        "A rule that lists what is forbidden misses what nobody thought of: an ingress that publishes, a webhook "
        "that reads every secret, an operator with rights of its own. What is not listed here is therefore refused."
    ),
    remediation=(
        "Leave the object out, or add its kind to this rule's list beside the rule that judges it; `deploy policy "
        "check FILE` shows the verdict."
    ),
    controls=("nist CM-7", "iso27001 A.8.9", "soc2 CC8.1"),
    references=("https://kubernetes.io/docs/reference/kubernetes-api/",),
    good=(
        Example("an application", manifests=examples.application()),
        Example(
            "a claim for storage",
            manifests=examples.application(more=[examples.an_object("v1", "PersistentVolumeClaim", "weights")]),
        ),
    ),
    bad=(
        Example(
            "an ingress",
            manifests=examples.application(more=[examples.an_object("networking.k8s.io/v1", "Ingress", "public")]),
        ),
        Example(
            "a webhook",
            manifests=examples.application(
                more=[examples.an_object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "hook")]
            ),
        ),
        Example(
            "a secret in clear",
            manifests=examples.application(more=[examples.an_object("v1", "Secret", "key", stringData={"key": "x"})]),
        ),
        Example(
            "a Pod of somebody else's API",
            manifests=examples.application(more=[examples.an_object("example.com/v1", "Pod", "pod")]),
        ),
    ),
    on_manifests=_judge,
)
