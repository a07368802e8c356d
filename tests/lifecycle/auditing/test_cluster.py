"""What an audit of a cluster does before it asks, and where answers are not as they should be; without a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from cli.main import run
from lifecycle.auditing.cluster.judged import judged
from lifecycle.auditing.cluster.kinds import KINDS
from lifecycle.auditing.cluster.reading import STARTS, read_cluster
from lifecycle.auditing.cluster.signing_in import Answer, Cluster, UnansweredError, connected
from lifecycle.ports import is_free
from planner.errors import DeployError, UsageError
from policies.rules.kubernetes_judged_kinds import JUDGED

SOUND: dict[str, Any] = {
    "current-context": "lab",
    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
    "clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "me", "user": {"token": "sesame"}}],
}


def file_of(folder: Path, **changes: Any) -> Path:
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump({**SOUND, **changes}))
    return path


def one(name: str, key: str, content: Mapping[str, Any]) -> list[Any]:
    return [{"name": name, key: dict(content)}]


@pytest.mark.parametrize(
    ("changes", "context", "code", "said"),
    [
        ({}, "prod", "unknown_context", "no context 'prod'"),
        ({"current-context": ""}, "", "unknown_context", "no current context"),
        ({"contexts": []}, "", "kubeconfig_invalid", "no `contexts`"),
        ({"contexts": one("lab", "context", {"cluster": "x"})}, "", "kubeconfig_invalid", "cluster 'x'"),
        ({"contexts": one("lab", "context", {"cluster": "lab", "user": "x"})}, "", "kubeconfig_invalid", "user 'x'"),
        ({"clusters": ["lab"]}, "", "usage", "`clusters` is no list"),
        ({"clusters": one("lab", "cluster", {"server": "http://127.0.0.1:1"})}, "", "tls_not_verified", "https://"),
        ({"clusters": one("lab", "cluster", {})}, "", "tls_not_verified", "not named"),
        (
            {"clusters": one("lab", "cluster", {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True})},
            "",
            "tls_not_verified",
            "insecure-skip-tls-verify",
        ),
        ({"users": one("me", "user", {"auth-provider": {"name": "oidc"}})}, "", "kubeconfig_invalid", "auth-provider"),
        ({"users": one("me", "user", {"exec": {"args": []}})}, "", "not_signed_in", "command"),
        ({"users": one("me", "user", {"client-key": "/nowhere"})}, "", "kubeconfig_invalid", "/nowhere"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_anything_is_asked(
    tmp_path: Path, changes: dict[str, Any], context: str, code: str, said: str
) -> None:
    path = file_of(tmp_path, **changes)
    with pytest.raises(DeployError, match=said) as caught, connected(path, context):
        pass
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)
    assert "sesame" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(("text", "said"), [("a: [", "no YAML"), ("- 1", "no kubeconfig"), (None, "No such file")])
def test_what_is_no_kubeconfig_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=said), connected(path):
        pass


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert is_free(1)
    with connected(file_of(tmp_path)) as cluster, pytest.raises(UnansweredError, match="does not answer") as caught:
        cluster.get("/version")
    assert "refused" in caught.value.message
    assert "VPN" in caught.value.hint


def test_keys_of_the_file_are_gone_when_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import base64
    import tempfile
    from datetime import UTC, datetime

    from lifecycle.certificates import key_pem, make_authority, pem_of

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    pair = make_authority("me", datetime.now(UTC))
    user = {
        "client-certificate-data": base64.b64encode(pem_of([pair.certificate])).decode(),
        "client-key-data": base64.b64encode(key_pem(pair.key)).decode(),
    }
    for _ in range(2):
        with connected(file_of(tmp_path, users=one("me", "user", user))):
            (folder,) = (tmp_path / "tmp").iterdir()
            assert folder.stat().st_mode & 0o777 == 0o700
            assert any(key_pem(pair.key) == file.read_bytes() for file in folder.iterdir())
        assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--context", "lab"], "--context is for a cluster"),
        (["--system"], "--system is for a cluster"),
        (["--namespace", "x"], "--namespace is for a cluster"),
        (["--policies", "x"], "--policies is for a cluster"),
        (["--kubeconfig", "x", "--stack", "y"], "contradict"),
        (["--print-role", "--json"], "YAML"),
        (["--kubeconfig", "x", "--namespace", "../secrets"], "no name of a namespace"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["audit", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.out + captured.err


def test_every_kind_that_rules_judge_is_read_and_no_secret() -> None:
    assert {(kind.group, kind.name) for kind in KINDS} >= JUDGED
    assert not {"secrets", "configmaps"} & {kind.plural for kind in KINDS}


# -- answers that are not as they should be ----------------------------------------------------------------------------


@dataclass
class FakeCluster:
    """Answers by a function of the path and the query."""

    answer: Callable[[str, dict[str, str]], Answer]
    name: str = "lab"

    def get(self, path: str, **query: str) -> Answer:
        return self.answer(path, query)


def read(answer: Callable[[str, dict[str, str]], Answer]) -> Any:
    return read_cluster(cast("Cluster", FakeCluster(answer)))


EMPTY = Answer(200, {"items": []})


def test_a_list_that_the_server_forgets_is_begun_anew_and_in_the_end_unread() -> None:
    begun: list[str] = []

    def forgets(path: str, query: dict[str, str], times: int) -> Answer:
        if not path.endswith("/pods"):
            return EMPTY
        if "continue" in query:
            return Answer(410, {"message": "too old"}) if len(begun) <= times else EMPTY
        begun.append(path)
        pod = {"metadata": {"name": "a", "namespace": "b", "uid": "1"}}
        return Answer(200, {"items": [pod], "metadata": {"continue": "x"}})

    once = read(lambda path, query: forgets(path, query, 1))
    assert (len(once.objects), once.unread, len(begun)) == (1, (), 2)
    begun.clear()
    never = read(lambda path, query: forgets(path, query, 99))
    assert (never.objects, [one.place for one in never.unread], len(begun)) == ((), ["lab: pods"], STARTS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(404, {}), "does not know"),
        (Answer(401, {}), "not take the credentials any more"),
        (Answer(403, {"message": "pods is forbidden"}), "pods is forbidden"),
        (Answer(500, {}), "it answers 500"),
        (Answer(302, {}), "it answers 302"),
        (Answer(410, {"message": "gone"}), "gone"),
    ],
)
def test_what_is_not_told_is_unread(answer: Answer, said: str) -> None:
    found = read(lambda path, _: answer if path.endswith("/pods") else EMPTY)
    assert [one.place for one in found.unread] == ["lab: pods"]
    assert said in found.unread[0].why


def test_a_server_that_goes_away_leaves_the_rest_unread() -> None:
    def goes(path: str, _: dict[str, str]) -> Answer:
        if path.endswith(("/services", "/serviceaccounts")):
            raise UnansweredError("it does not answer: reset")
        return EMPTY

    assert [one.place for one in read(goes).unread] == ["lab: services", "lab: serviceaccounts"]


def test_an_extension_that_nobody_installed_is_no_gap_and_one_that_may_not_be_looked_up_is() -> None:
    def absent(path: str, _: dict[str, str]) -> Answer:
        return Answer(404, {}) if "x-k8s.io" in path or "gateway" in path else EMPTY

    assert read(absent).unread == ()

    def hidden(path: str, query: dict[str, str]) -> Answer:
        return Answer(403, {}) if path == "/apis/leaderworkerset.x-k8s.io" else absent(path, query)

    assert [one.place for one in read(hidden).unread] == ["lab: leaderworkersets"]


# -- what is judged ----------------------------------------------------------------------------------------------------


def an_object(kind: str, name: str, namespace: str = "", **content: Any) -> dict[str, Any]:
    api = "rbac.authorization.k8s.io/v1" if "Role" in kind else "apps/v1" if kind == "ReplicaSet" else "v1"
    metadata = {"name": name, "uid": f"{kind}/{namespace}/{name}", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **content}


def bound(name: str, role: str, account: str, namespace: str, kind: str = "ClusterRoleBinding") -> dict[str, Any]:
    held = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    return an_object(kind, name, "", roleRef={"kind": "ClusterRole", "name": role}, subjects=[held])


def test_what_the_clusters_own_accounts_alone_hold_is_its_own() -> None:
    objects = [
        an_object("ClusterRole", "cni"),
        an_object("ClusterRole", "shared"),
        an_object("ClusterRole", "unbound"),
        bound("cni", "cni", "cni", "kube-system"),
        bound("shared-own", "shared", "cni", "kube-system"),
        bound("shared", "shared", "gateway", "serving"),
    ]
    chosen = judged("lab", objects, frozenset({"kube-system"}))
    assert set(chosen.left_out) == {"ClusterRole/cni", "ClusterRoleBinding/cni", "ClusterRoleBinding/shared-own"}
    assert judged("lab", objects, frozenset()).left_out == ()


def test_a_role_that_others_gather_is_judged_whoever_holds_it() -> None:
    role = an_object("ClusterRole", "cni")
    role["metadata"]["labels"] = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    chosen = judged("lab", [role, bound("cni", "cni", "cni", "kube-system")], frozenset({"kube-system"}))
    assert "ClusterRole/cni" not in chosen.left_out


def test_owners_in_a_ring_end() -> None:
    def owned(name: str, by: str) -> dict[str, Any]:
        made = an_object("ReplicaSet", name, "serving", spec={"template": {"spec": {}}})
        made["metadata"]["ownerReferences"] = [{"uid": f"ReplicaSet/serving/{by}", "controller": True}]
        return made

    pod = an_object("Pod", "p", "serving", spec={})
    pod["metadata"]["ownerReferences"] = [{"uid": "ReplicaSet/serving/a", "controller": True}]
    chosen = judged("lab", [owned("a", "b"), owned("b", "a"), pod], frozenset())
    assert [one.place for one in chosen.manifests.objects] == ["lab: Pod/serving/p"]
