"""Everything of a cluster that rules are about, page by page; what may not be read is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.auditing.cluster.kinds import KINDS, NAMESPACES, Kind
from lifecycle.auditing.cluster.signing_in import Answer, Cluster, UnansweredError
from lifecycle.auditing.records import Unread
from planner.errors import DeployError, UsageError

PAGE = 500
"""Objects in one answer, as kubectl asks for them."""
STARTS = 3
"""How often a list is begun: a server forgets where a long one went on after some minutes, and answers 410."""


@dataclass(frozen=True)
class Listing:
    """What was read of a cluster: objects as manifests write them, and what could not be read."""

    objects: tuple[Mapping[str, Any], ...]
    unread: tuple[Unread, ...]


class _RefusedError(Exception):
    """The server does not tell; the words say why."""


def version_of(cluster: Cluster) -> str:
    """Return the version of a cluster, which it tells everybody who signs in.

    Raises:
        DeployError: it does not answer, or does not take the credentials.

    """
    answer = cluster.get("/version")
    if answer.status == 401:
        raise DeployError(
            f"{cluster.server} does not take the credentials of {cluster.name}: {answer.why}",
            hint="A token or certificate in the kubeconfig file has expired, or was taken back: sign in again, or let "
            "whoever made the cluster write the file anew.",
            code="not_signed_in",
        )
    return str(answer.document.get("gitVersion", ""))


def read_cluster(cluster: Cluster, namespaces: tuple[str, ...] = (), page: int = PAGE) -> Listing:
    """Read every object of the kinds of the table.

    Args:
        cluster: that is asked.
        namespaces: of these alone; all where none is named. What is the whole cluster's is read whole.
        page: objects in one answer.

    Raises:
        UsageError: the cluster has no namespace of a name.

    """
    objects: list[Mapping[str, Any]] = []
    unread: list[Unread] = []
    for kind in KINDS:
        chosen = namespaces if kind.namespaced or kind is NAMESPACES else ()
        for place in chosen or ("",):
            found = _found(cluster, kind, place, page)
            if isinstance(found, Unread):
                unread.append(found)
            else:  # in a list, objects do not repeat what they are
                objects += [{"apiVersion": kind.api_version, "kind": kind.name, **one} for one in found]
    return Listing(tuple(objects), tuple(unread))


def _found(cluster: Cluster, kind: Kind, namespace: str, page: int) -> list[Mapping[str, Any]] | Unread:
    """Return the objects of a kind, or why they are not known."""
    try:
        if kind is NAMESPACES and namespace:
            return [_one(cluster, namespace)]
        return _all(cluster, kind, namespace, page)
    except (_RefusedError, UnansweredError) as error:
        where = "/".join(part for part in (namespace, kind.plural) if part)
        return Unread(place=f"{cluster.name}: {where}", why=str(error))


def _one(cluster: Cluster, namespace: str) -> Mapping[str, Any]:
    answer = cluster.get(f"{NAMESPACES.path()}/{namespace}")
    if answer.status == 404:
        raise UsageError(
            f"{cluster.name} has no namespace {namespace}",
            hint="`kubectl get namespaces` lists them; without --namespace all are audited.",
            code="unknown_namespace",
        )
    return _accepted(answer).document


def _all(cluster: Cluster, kind: Kind, namespace: str, page: int) -> list[Mapping[str, Any]]:
    """Return every object of a kind; a list that the server cannot go on with is begun anew.

    Raises:
        _RefusedError: it may not be read, the server does not know the kind, or the list does not come to its end.
        UnansweredError: there was no answer.

    """
    for _ in range(STARTS):
        try:
            pages = list(_pages(cluster, kind, namespace, page))
        except _ForgottenError:
            continue
        return [one for items in pages for one in items]
    raise _RefusedError("the list changes faster than it can be read")


class _ForgottenError(Exception):
    """The server does not know any more where a list went on."""


def _pages(cluster: Cluster, kind: Kind, namespace: str, page: int) -> Iterator[list[Mapping[str, Any]]]:
    further = ""
    while True:
        asked = {"limit": str(page), **({"continue": further} if further else {})}
        answer = cluster.get(kind.path(namespace), **asked)
        if answer.status == 404 and not kind.built_in and _is_absent(cluster, kind):
            return
        if answer.status == 410 and further:
            raise _ForgottenError
        document = _accepted(answer).document
        yield document.get("items") or []
        further = str((document.get("metadata") or {}).get("continue") or "")
        if not further:
            return


def _is_absent(cluster: Cluster, kind: Kind) -> bool:
    """Tell whether nobody installed what brings a kind: the server has no such group at all."""
    return cluster.get(f"/apis/{kind.group}").status == 404


def _accepted(answer: Answer) -> Answer:
    if answer.status == 200:
        return answer
    if answer.status == 404:
        raise _RefusedError("the server does not know objects of this kind and version")
    if answer.status == 401:
        raise _RefusedError("the server does not take the credentials any more")
    raise _RefusedError(f"the server refuses it: {answer.why}")
