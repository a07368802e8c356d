"""Manifests of Kubernetes, each read once: objects, the pods in them, and the namespaces that they are in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from policies.files import Loader, UnreadableError
from policies.paths import at
from policies.watch import Watch

DEFAULT = "default"
"""The namespace of what names none."""
CLUSTER_WIDE = frozenset(
    {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "PriorityClass",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    }
)
ENFORCE = "pod-security.kubernetes.io/enforce"
GPU_LABEL = "cloister/gpus"
"""Label, with the value `true`, of a namespace for drivers and device plugins, which need the host; nothing else may
be in one. https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/getting-started.html"""

PODS: Mapping[tuple[str, str], tuple[tuple[str, ...], ...]] = {
    ("", "Pod"): ((),),
    ("apps", "DaemonSet"): (("spec", "template"),),
    ("apps", "Deployment"): (("spec", "template"),),
    ("apps", "ReplicaSet"): (("spec", "template"),),
    ("apps", "StatefulSet"): (("spec", "template"),),
    ("batch", "CronJob"): (("spec", "jobTemplate", "spec", "template"),),
    ("batch", "Job"): (("spec", "template"),),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): (
        ("spec", "leaderWorkerTemplate", "leaderTemplate"),
        ("spec", "leaderWorkerTemplate", "workerTemplate"),
    ),
}
"""Group and kind of what makes pods -> where their templates are."""


@dataclass(frozen=True)
class Object:
    """One object of a manifest.

    Attributes:
        place: as findings name it: file, kind, namespace and name.
        group: of its API; empty for the core.
        kind: its kind, which means something with its group alone.
        namespace: where it is; empty for what is the whole cluster's.
        name: its own.
        content: as it is written.

    """

    place: str
    group: str
    kind: str
    namespace: str
    name: str
    content: Mapping[str, Any]

    def at(self, *path: str) -> Any:
        """Return the value at a path of keys; None where there is none."""
        return at(self.content, *path)

    def pods(self) -> Iterator[Pod]:
        """Yield the pods that it is, or makes."""
        for path in PODS.get((self.group, self.kind), ()):
            template = self.at(*path)
            if template is not None:
                yield Pod(self, at(template, "spec") or {}, at(template, "metadata", "labels") or {})


@dataclass(frozen=True)
class Pod:
    """A pod, or the template of several."""

    owner: Object
    spec: Mapping[str, Any]
    labels: Mapping[str, str]

    def containers(self) -> Iterator[Mapping[str, Any]]:
        """Yield every container, those for its start and for debugging among them."""
        for name in ("initContainers", "containers", "ephemeralContainers"):
            yield from at(self.spec, name) or ()


class Manifests:
    """All objects of several files, or of a cluster.

    Args:
        texts: of files, by their paths.
        documents: as a cluster's API tells them, by the cluster's name.

    """

    def __init__(
        self, texts: Mapping[str, str], documents: Mapping[str, Iterable[Mapping[str, Any]]] | None = None
    ) -> None:
        self.watch = Watch()
        self._texts = texts
        self._documents = documents or {}

    @property
    def objects(self) -> tuple[Object, ...]:
        """Every object, those in lists among them.

        Raises:
            UnreadableError: a file is no manifest.

        """
        self._hand(self._objects)
        return self._objects

    @cached_property
    def _objects(self) -> tuple[Object, ...]:
        """Read every object, once.

        Raises:
            UnreadableError: a file is no manifest.

        """
        told = (
            one
            for name, documents in self._documents.items()
            for number, document in enumerate(documents, 1)
            for one in _one(name, number, document)
        )
        return (*(one for path, text in self._texts.items() for one in _objects(path, text)), *told)

    def of(self, group: str, kind: str) -> Iterator[Object]:
        """Yield the objects of a kind."""
        found = self._by_kind.get((group, kind), ())
        self._hand(found)
        return iter(found)

    def pods(self) -> Iterator[Pod]:
        """Yield every pod, and every template of pods."""
        self._hand(self._pods)
        return iter(self._pods)

    def namespace(self, name: str) -> Object | None:
        """Return a namespace; None where nobody handed it in."""
        found = self._namespaces.get(name)
        self.watch.handed |= found is not None
        return found

    def _hand(self, things: Collection[object]) -> None:
        self.watch.handed |= bool(things)

    @cached_property
    def _by_kind(self) -> Mapping[tuple[str, str], list[Object]]:
        """Objects by their kind: rules ask for one after the other, of clusters with thousands."""
        found: dict[tuple[str, str], list[Object]] = {}
        for one in self._objects:
            found.setdefault((one.group, one.kind), []).append(one)
        return found

    @cached_property
    def _pods(self) -> tuple[Pod, ...]:
        return tuple(pod for one in self._objects for pod in one.pods())

    @cached_property
    def _namespaces(self) -> Mapping[str, Object]:
        return {one.name: one for one in reversed(self._by_kind.get(("", "Namespace"), []))}

    def for_gpus(self, namespace: str) -> bool:
        """Tell whether a namespace is for drivers and device plugins: its label says so."""
        found = self.namespace(namespace)
        return found is not None and at(found.at("metadata", "labels") or {}, GPU_LABEL) == "true"


def _objects(path: str, text: str) -> Iterator[Object]:
    try:
        documents = list(yaml.load_all(text, Loader=Loader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UnreadableError(f"{path} cannot be read as YAML: {error}") from None
    found = [one for number, document in enumerate(documents, 1) for one in _one(path, number, document)]
    if not found:
        raise UnreadableError(f"{path} holds no object of Kubernetes")
    yield from found


def _one(path: str, number: int, document: Any) -> Iterator[Object]:
    if document is None:  # what stands between two lines of dashes
        return
    where = f"{path}, document {number}"
    if not isinstance(document, dict) or not all(isinstance(document.get(key), str) for key in ("apiVersion", "kind")):
        raise UnreadableError(f"{where} is no object of Kubernetes: it has no `apiVersion` and `kind`")
    group, slash, _ = document["apiVersion"].partition("/")
    kind = document["kind"]
    if kind == "List" and not slash:
        for item in document.get("items") or ():
            yield from _one(path, number, item)
        return
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str):
        raise UnreadableError(f"{where} ({kind}) has no name")
    namespace = "" if kind in CLUSTER_WIDE else str(metadata.get("namespace") or DEFAULT)
    place = f"{path}: {kind}/{f'{namespace}/' if namespace else ''}{name}"
    yield Object(place, group if slash else "", kind, namespace, name, document)
