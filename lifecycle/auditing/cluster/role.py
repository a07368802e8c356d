"""The role under which a cluster is audited, made of the table that the reading goes by."""

from __future__ import annotations

from itertools import groupby

import yaml

from lifecycle.auditing.cluster.kinds import KINDS, NAMESPACES, RBAC

NAME, GROUP = "cloister-audit", "cloister-auditors"
"""Of the role and its binding; whom it is bound to."""
VERBS = ("get", "list")
"""`get` is for single namespaces; neither watches nor changes anything."""


def role_manifest() -> str:
    """Return a ClusterRole and its binding, as YAML that `kubectl apply` takes."""
    ordered = sorted(KINDS, key=lambda kind: kind.group)
    rules = [
        {
            "apiGroups": [group],
            "resources": sorted(kind.plural for kind in kinds if kind is not NAMESPACES),
            "verbs": ["list"],
        }
        for group, kinds in groupby(ordered, key=lambda kind: kind.group)
    ]
    rules.insert(0, {"apiGroups": [""], "resources": [NAMESPACES.plural], "verbs": list(VERBS)})
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": rules,
    }
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAME},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": GROUP}],
    }
    return yaml.safe_dump_all([role, binding], sort_keys=False)
