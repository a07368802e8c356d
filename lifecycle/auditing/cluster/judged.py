"""What of a cluster's objects is judged: what somebody made, each once, without what the server adds by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.auditing.cluster.kinds import RBAC
from lifecycle.auditing.cluster.shipped import beyond_shipped
from policies.finding import Finding
from policies.manifests import DEFAULT, PODS, Manifests
from policies.waivers import WAIVED

SYSTEM = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces that every cluster makes for itself."""
TOKEN_VOLUME = "kube-api-access-"  # noqa: S105 - a volume's name
"""How the volume begins that the server adds to a pod which does not refuse a token of the API."""
AGGREGATED = "rbac.authorization.k8s.io/aggregate-to-"
ENDED = ("Succeeded", "Failed")

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """Objects to be judged.

    Attributes:
        manifests: they.
        left_out: names of what is the cluster's own and is not judged.
        makers: place of a pod -> place of what made it, as findings name both.

    """

    manifests: Manifests
    left_out: tuple[str, ...]
    makers: Mapping[str, str]


def judged(name: str, objects: Iterable[Document], own: frozenset[str]) -> Judged:
    """Choose among the objects of a cluster, and take from each what the server adds.

    Args:
        name: of the cluster, with which places begin.
        objects: as they were read.
        own: namespaces that are the cluster's own affair.

    """
    everything = tuple(objects)
    holders = _Holders(everything, own)
    by_uid = {_metadata(one)["uid"]: one for one in everything}
    told: dict[str, Document] = {}
    left_out = []
    for uid, one in by_uid.items():
        if _is_made(one, by_uid):
            continue
        as_told = None if _is_inside(one, own) or holders.are_own(one) else _as_told(one)
        if as_told is None:
            left_out.append(_name(one))
        else:
            told[uid] = as_told
    manifests = Manifests({}, {name: told.values()})
    places = {uid: found.place for uid, found in zip(told, manifests.objects, strict=True)}
    made = ((uid, _maker(uid, by_uid)) for uid in told)
    makers = {places[uid]: places[maker] for uid, maker in made if maker in places}
    return Judged(manifests, tuple(left_out), makers)


def once(findings: Iterable[Finding], makers: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings without those of pods that are told of what made them, or of a pod beside them, already."""
    findings = tuple(findings)
    told = {_key(one, one.resource) for one in findings if one.resource not in makers}
    for one in findings:
        if one.resource in makers:
            key = _key(one, makers[one.resource])
            if key in told:
                continue
            told.add(key)
        yield one


def _key(finding: Finding, place: str) -> tuple[str, str, str]:
    return finding.rule, place, finding.message.partition(WAIVED)[0]


class _Holders:
    """Who holds which role: what the cluster's own accounts alone hold is its own."""

    def __init__(self, objects: Iterable[Document], own: frozenset[str]) -> None:
        self._own = own
        self._by_role: dict[str, list[bool]] = {}
        for one in objects:
            if one["kind"] in {"ClusterRoleBinding", "RoleBinding"} and one["roleRef"]["kind"] == "ClusterRole":
                self._by_role.setdefault(one["roleRef"]["name"], []).append(self._is_own(one))

    def are_own(self, one: Document) -> bool:
        """Tell whether a role or binding is for the cluster's own accounts alone."""
        if one["kind"] == "ClusterRoleBinding":
            return self._is_own(one)
        if one["kind"] == "RoleBinding":  # one for others lets them at what is the cluster's own
            return _metadata(one)["namespace"] in self._own and self._is_own(one)
        if one["kind"] == "ClusterRole":
            gathered = any(label.startswith(AGGREGATED) for label in _metadata(one).get("labels") or {})
            return not gathered and all(held := self._by_role.get(_metadata(one)["name"], [])) and bool(held)
        return False

    def _is_own(self, binding: Document) -> bool:
        subjects = binding.get("subjects") or ()
        return bool(subjects) and all(
            one["kind"] == "ServiceAccount" and one.get("namespace") in self._own for one in subjects
        )


def _metadata(one: Document) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = one["metadata"]
    return metadata


def _is_inside(one: Document, own: frozenset[str]) -> bool:
    """Tell whether an object is one of the cluster's own namespaces, or in one."""
    metadata = _metadata(one)
    place = metadata["name"] if one["kind"] == "Namespace" else metadata.get("namespace")
    return one["kind"] != "RoleBinding" and place in own


def _name(one: Document) -> str:
    metadata = _metadata(one)
    return "/".join(part for part in (one["kind"], metadata.get("namespace", ""), metadata["name"]) if part)


def _controller(one: Document) -> str:
    """Return the uid of what controls an object; empty where nothing does."""
    owners = _metadata(one).get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _maker(uid: str, by_uid: Mapping[str, Document]) -> str:
    """Return the uid of what stands behind everything that controls an object; empty where nothing was read."""
    seen = {uid}
    maker, above = "", _controller(by_uid[uid])
    while above in by_uid and above not in seen:  # a ring of owners is nobody's
        seen.add(above)
        maker, above = above, _controller(by_uid[above])
    return maker


def _is_made(one: Document, by_uid: Mapping[str, Document]) -> bool:
    """Tell whether an object only hands down what its controller says; a pod may be changed on its way and later."""
    if _controller(one) not in by_uid or (_group(one), one["kind"]) not in PODS:
        return False
    return one["kind"] != "Pod" or (one.get("status") or {}).get("phase") in ENDED


def _group(one: Document) -> str:
    group, slash, _ = str(one["apiVersion"]).partition("/")
    return group if slash else ""


def _as_told(one: Document) -> Document | None:
    """Return an object without what the server added; None where nothing is left that somebody said."""
    match _group(one), one["kind"]:
        case "", "Pod":
            return _without_token_volume(one)
        case "", "ServiceAccount":
            # Every namespace has one of this name, and the pods that use it are judged for the token themselves.
            bare = _metadata(one)["name"] == DEFAULT and "automountServiceAccountToken" not in one
            return None if bare else one
        case group, _ if group == RBAC:
            return beyond_shipped(_name(one), one)
        case _:
            return one


def _without_token_volume(pod: Document) -> Document:
    spec = pod["spec"]
    if spec.get("automountServiceAccountToken") is False or not spec.get("volumes"):
        return pod
    kept = [one for one in spec["volumes"] if not str(one["name"]).startswith(TOKEN_VOLUME)]
    return {**pod, "spec": {**spec, "volumes": kept}}
