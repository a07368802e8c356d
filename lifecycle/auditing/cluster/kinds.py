"""The kinds of objects that are read of a cluster: the one table behind the reading and behind the role for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of objects, as the API has it.

    Attributes:
        group: of its API; empty for the core.
        version: that is read.
        name: as manifests write it.
        plural: as paths and roles write it.
        namespaced: False for what is the whole cluster's.
        built_in: False for what an extension brings: where nobody installed that, there can be none of the kind.

    """

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True
    built_in: bool = True

    @property
    def api_version(self) -> str:
        """Return its group and version as manifests write them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Return the path of its group's version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "") -> str:
        """Return the path of its list, in one namespace or in all."""
        return f"{self.root}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.root}/{self.plural}"


RBAC, LEADERS, GATEWAYS = "rbac.authorization.k8s.io", "leaderworkerset.x-k8s.io", "gateway.networking.k8s.io"
NAMESPACES = Kind("", "v1", "Namespace", "namespaces", namespaced=False)

KINDS = (
    NAMESPACES,
    Kind("apps", "v1", "DaemonSet", "daemonsets"),
    Kind("apps", "v1", "Deployment", "deployments"),
    Kind("apps", "v1", "StatefulSet", "statefulsets"),
    Kind("batch", "v1", "CronJob", "cronjobs"),
    Kind(LEADERS, "v1", "LeaderWorkerSet", "leaderworkersets", built_in=False),
    Kind("", "v1", "ReplicationController", "replicationcontrollers"),
    Kind("apps", "v1", "ReplicaSet", "replicasets"),
    Kind("batch", "v1", "Job", "jobs"),
    Kind("", "v1", "Pod", "pods"),
    Kind("", "v1", "Service", "services"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts"),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses"),
    Kind(GATEWAYS, "v1", "Gateway", "gateways", built_in=False),
    Kind(RBAC, "v1", "Role", "roles"),
    Kind(RBAC, "v1", "RoleBinding", "rolebindings"),
    Kind(RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False),
    Kind(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        namespaced=False,
    ),
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        namespaced=False,
    ),
)
"""What rules judge, and what opens a cluster and is refused for it. What makes pods stands before pods, so that a
finding about a namespace names the former. No secret is among them, and nothing that holds one."""
