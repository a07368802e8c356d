"""Putting manifests of examples into a cluster, each in a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lifecycle.auditing.cluster.kinds import KINDS, Kind
from policies.manifest_examples import application
from policies.manifests import Manifests, Object
from tests.kubernetes.control_plane import ControlPlane

KIND_OF: Mapping[tuple[str, str], Kind] = {(kind.group, kind.name): kind for kind in KINDS}
NAMESPACE = "serving"
"""That of the examples."""
LATER = ("Namespace", "ServiceAccount")
"""What others need: it is made first."""


class RefusedError(Exception):
    """The server does not take an object, or an audit does not read its kind; the words say which."""


def moved(texts: Mapping[str, str], namespace: str, name: str = "lab") -> dict[str, str]:
    """Return an example's manifests as files of a cluster's name, in another namespace."""
    (text,) = texts.values()
    return {
        name: text.replace(f'"{NAMESPACE}"', f'"{namespace}"')
        .replace('"binding"', f'"of-{namespace}"')
        .replace('"hook"', f'"of-{namespace}"')
    }


def apply(plane: ControlPlane, texts: Mapping[str, str]) -> None:
    """Create every object of manifests.

    Raises:
        RefusedError: one cannot be created; those before it stay.

    """
    objects = sorted(Manifests(texts).objects, key=lambda one: one.kind not in LATER)
    for one in objects:
        _create(plane, one)


def _create(plane: ControlPlane, one: Object) -> None:
    kind = KIND_OF.get((one.group, one.kind))
    if kind is None:
        raise RefusedError(f"{one.kind}: not read")
    answer = plane.create(kind, one.content)
    if answer.status_code != 201:
        raise RefusedError(f"{one.kind}: {answer.json()['message']}")


def a_namespace(plane: ControlPlane, name: str, **labels: str) -> None:
    """Make a sound namespace: restricted, and everything denied in it."""
    texts = application(without=("Deployment", "Service", "Role", "RoleBinding"))
    apply(plane, moved(texts, name))
    if labels:
        path = f"/api/v1/namespaces/{name}"
        answer = plane.ask(
            "PATCH",
            path,
            json={"metadata": {"labels": labels}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        answer.raise_for_status()


def create(plane: ControlPlane, objects: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create objects of kinds that are read; return them as the server has them."""
    made = []
    for one in objects:
        group, slash, _ = one["apiVersion"].partition("/")
        answer = plane.create(KIND_OF[group if slash else "", one["kind"]], one)
        assert answer.status_code == 201, answer.text
        made.append(answer.json())
    return made
