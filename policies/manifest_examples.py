"""Manifests for rules' examples: a small sound application, and changes to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from types import EllipsisType
from typing import Any

Changes = Mapping[str, Any | EllipsisType]
"""Dotted path -> value; `...` takes away what is there. A number is a place in a list."""

DIGEST = "sha256:" + "0123456789abcdef" * 4
CONTAINER: dict[str, Any] = {
    "name": "gateway",
    "image": f"registry.internal/cloister/gateway@{DIGEST}",
    "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    },
}
POD: dict[str, Any] = {
    "serviceAccountName": "gateway",
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
}


def _object(api: str, kind: str, name: str, *, namespace: str = "serving", **content: Any) -> dict[str, Any]:
    place = {} if kind == "Namespace" else {"namespace": namespace}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **place}, **content}


_SOUND = {
    "Namespace": _object("v1", "Namespace", "serving"),
    "NetworkPolicy": _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "default-deny",
        spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    ),
    "ServiceAccount": _object("v1", "ServiceAccount", "gateway", automountServiceAccountToken=False),
    "Deployment": _object(
        "apps/v1",
        "Deployment",
        "gateway",
        spec={
            "selector": {"matchLabels": {"app": "gateway"}},
            "template": {"metadata": {"labels": {"app": "gateway"}}, "spec": POD},
        },
    ),
    "Service": _object(
        "v1",
        "Service",
        "gateway",
        spec={"type": "ClusterIP", "selector": {"app": "gateway"}, "ports": [{"port": 8080}]},
    ),
    "Role": _object(
        "rbac.authorization.k8s.io/v1",
        "Role",
        "reader",
        rules=[{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["gateway"], "verbs": ["get"]}],
    ),
    "RoleBinding": _object(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "reader",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        subjects=[{"kind": "ServiceAccount", "name": "gateway", "namespace": "serving"}],
    ),
}
_SOUND["Namespace"]["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
TEMPLATE = "spec.template.spec"
"""Where a Deployment's pods are."""


def application(
    changes: Mapping[str, Changes] | None = None,
    *,
    more: Iterable[Mapping[str, Any]] = (),
    without: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return a manifest of a namespace, its default policy, an account with a role, a deployment and a service.

    Args:
        changes: kind -> changes of the object of that kind.
        more: further objects.
        without: kinds that are left out.

    """
    objects = deepcopy(_SOUND)
    for kind, wanted in (changes or {}).items():
        for path, value in wanted.items():
            _change(objects[kind], path.split("."), value)
    listed = [*(one for kind, one in objects.items() if kind not in without), *more]
    return {"app.yaml": "\n---\n".join(json.dumps(one, indent=1) for one in listed) + "\n"}  # JSON is YAML


def pods(**changes: Any) -> dict[str, str]:
    """Return the application with its pods changed: a field of their specification, and its new value."""
    return application({"Deployment": {f"{TEMPLATE}.{name}": value for name, value in changes.items()}})


def containers(**changes: Any) -> dict[str, str]:
    """Return the application with its container changed."""
    where = f"{TEMPLATE}.containers.0"
    return application({"Deployment": {f"{where}.{name}": value for name, value in changes.items()}})


def for_gpus(**changes: Any) -> dict[str, str]:
    """Return the application in a namespace for drivers, with its pods changed."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged", "cloister/gpus": "true"}
    deployment = {f"{TEMPLATE}.{name}": value for name, value in changes.items()}
    return application({"Namespace": {"metadata.labels": labels}, "Deployment": deployment})


def an_object(api: str, kind: str, name: str, **content: Any) -> dict[str, Any]:
    """Return one more object."""
    return _object(api, kind, name, **content)


def _change(target: Any, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        target = target[int(key)] if isinstance(target, list) else target.setdefault(key, {})
    if isinstance(target, list):
        target[int(path[-1])] = value
    elif value is ...:
        target.pop(path[-1], None)
    else:
        target[path[-1]] = value
