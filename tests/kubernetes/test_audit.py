"""A cluster is judged as its manifests are: on a real API server, which is only asked to list."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from cli.main import run
from lifecycle.audit import AuditReport
from lifecycle.audit_cluster import audit_cluster
from lifecycle.auditing.cluster import shipped
from lifecycle.auditing.cluster.kinds import KINDS, NAMESPACES, RBAC
from lifecycle.auditing.cluster.role import GROUP, role_manifest
from lifecycle.auditing.verdicts import settled
from lifecycle.policy_check import check
from planner.errors import DeployError, UsageError
from planner.plan import PolicyPlan, WaiverPlan
from planner.progress import Silent
from policies.manifest_examples import CONTAINER, POD, application
from policies.manifests import Manifests
from policies.rule import Rule
from policies.rules import RULES
from policies.run import Finding, evaluate
from tests.kubernetes.applying import KIND_OF, RefusedError, a_namespace, apply, create, moved
from tests.kubernetes.control_plane import AUDITOR, AUDITORS, ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("control-plane")]
FAMILY = [rule for rule in RULES if rule.on_manifests]
SHIPPED_LABEL = "kubernetes.io/bootstrapping"
Told = set[tuple[str, str, str, str]]


def look(kubeconfig: Path, *namespaces: str, **how: Any) -> AuditReport:
    return audit_cluster(kubeconfig, Silent(), namespaces=namespaces, **how)


def told(findings: tuple[Finding, ...]) -> Told:
    return {(one.rule, one.status, one.resource, one.message) for one in map(settled, findings)}


# -- the same rules, the same verdicts ---------------------------------------------------------------------------------


def examples(rule: Rule, which: str) -> Iterator[tuple[str, dict[str, str]]]:
    for number, example in enumerate(getattr(rule, which)):
        assert example.manifests is not None
        namespace = f"{which}-{number}-{rule.id.removeprefix('kubernetes-')}"
        yield namespace, moved(example.manifests, namespace)


def test_good_examples_pass_as_they_run(plane: ControlPlane, admin: Path) -> None:
    running = []
    for rule in FAMILY:
        for namespace, texts in examples(rule, "good"):
            try:
                apply(plane, texts)
            except RefusedError:
                continue
            running.append(namespace)
    report = look(admin, *running)
    assert (report.ok, report.findings) == (True, ())
    assert len(running) >= 20
    assert len(report.resources) >= 7 * len(running)


def test_every_rule_finds_in_the_cluster_what_it_finds_in_the_file(plane: ControlPlane, admin: Path) -> None:
    """Each bad example that the server takes has the verdicts of its file."""
    create(plane, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}])
    before = cluster_wide(plane)
    running: dict[str, tuple[str, Told]] = {}
    refused: dict[str, str] = {}
    for rule in FAMILY:
        for namespace, texts in examples(rule, "bad"):
            try:
                apply(plane, texts)
            except RefusedError as error:
                refused[namespace] = str(error)
                continue
            running[namespace] = rule.id, told(evaluate(None, (), manifests=texts))
    report = look(admin, *running)
    for path in cluster_wide(plane) - before:
        plane.ask("DELETE", path).raise_for_status()
    live = told(report.findings)
    for namespace, (rule_id, expected) in running.items():
        found = {one for one in live if namespace in one[2] or namespace in one[3]}
        # The server may know more of the same object: the port of the nodes that it chose for a service.
        assert expected <= found, namespace
        assert {one[:3] for one in found} == {one[:3] for one in expected}, namespace
        assert rule_id in {one[0] for one in found}
    assert {rule_id for rule_id, _ in running.values()} == {rule.id for rule in FAMILY}
    assert len(running) >= 40
    assert set(refused) == {  # the server itself takes neither, or they are of a kind that is not read
        "bad-0-judged-kinds",
        "bad-0-no-privileged",
        "bad-2-judged-kinds",
        "bad-2-no-privileged",
        "bad-3-judged-kinds",
    }, refused


def cluster_wide(plane: ControlPlane) -> set[str]:
    """Return the paths of what every audit judges, so that a test can take away what others would find."""
    kinds = (kind for kind in KINDS if not kind.namespaced and kind is not NAMESPACES)
    return {f"{kind.path()}/{one['metadata']['name']}" for kind in kinds for one in plane.listed(kind)}


# -- nothing but reading, and no more than is asked for ----------------------------------------------------------------


def test_the_printed_role_is_enough_and_the_server_saw_nothing_but_reading(
    plane: ControlPlane, admin: Path, tmp_path: Path
) -> None:
    role, binding = yaml.safe_load_all(role_manifest())
    assert GROUP == AUDITORS
    create(plane, [role, binding])
    a_namespace(plane, "watched")
    before = {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for k in present() for one in plane.listed(k)}
    told_to_auditor = look(plane.kubeconfig(tmp_path / "k", {"token": plane.tokens[AUDITOR]}))
    after = {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for k in present() for one in plane.listed(k)}
    assert told_to_auditor.unread == ()
    assert told_to_auditor.resources == look(admin).resources
    assert before == after
    look(plane.kubeconfig(tmp_path / "k", {"token": plane.tokens[AUDITOR]}), "watched")
    asked = plane.requests(AUDITOR)
    assert len(asked) > 2 * len(KINDS) - 2
    assert {one["verb"] for one in asked} == {"list", "get"}
    assert {one["responseStatus"]["code"] for one in asked} == {200, 404}
    assert {one["requestURI"] for one in asked if one["responseStatus"]["code"] == 404} == {
        *(f"{kind.path()}?limit=500" for kind in KINDS if not kind.built_in),
        *(f"{kind.path('watched')}?limit=500" for kind in KINDS if not kind.built_in),
        *(f"/apis/{kind.group}" for kind in KINDS if not kind.built_in),
    }
    read = {one["objectRef"]["resource"] for one in asked if "objectRef" in one}
    assert read == {kind.plural for kind in KINDS}
    assert "secrets" not in read | {name for rule in role["rules"] for name in rule["resources"]}


def present() -> list[Any]:
    return [kind for kind in KINDS if kind.built_in]


def test_the_printed_role_breaks_no_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--print-role"]) == 0
    path = tmp_path / "role.yaml"
    path.write_text(capsys.readouterr().out)
    report = check((path,), PolicyPlan())
    assert (report.ok, report.findings, report.judged[0].resources) == (True, (), 2)
    rules = next(yaml.safe_load_all(path.read_text()))["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list"}
    listed = {(group, name) for rule in rules for group in rule["apiGroups"] for name in rule["resources"]}
    assert listed == {(kind.group, kind.plural) for kind in KINDS}


def test_what_may_not_be_read_is_undecidable(plane: ControlPlane, tmp_path: Path) -> None:
    nobody = plane.kubeconfig(tmp_path / "k", {"token": plane.tokens["nobody"]})
    report = look(nobody)
    assert not report.ok
    assert len(report.unread) == len(KINDS)
    assert {(one.rule, one.status) for one in report.findings} == {("audit-complete", "undecidable")}
    (pods,) = [one for one in report.findings if one.resource == "lab: pods"]
    assert 'User "nobody" cannot list resource "pods"' in pods.message


def test_a_right_that_is_missing_is_told_for_what_it_is_about(plane: ControlPlane, tmp_path: Path) -> None:
    role, binding = yaml.safe_load_all(role_manifest())
    role["metadata"]["name"] = binding["metadata"]["name"] = binding["roleRef"]["name"] = "all-but-policies"
    role["rules"] = [one for one in role["rules"] if one["apiGroups"] != ["networking.k8s.io"]]
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "gateway", "namespace": "halfway"}]
    a_namespace(plane, "halfway")
    create(plane, [role, binding])
    token = plane.token_of("gateway", "halfway")
    report = look(plane.kubeconfig(tmp_path / "k", {"token": token}), "halfway")
    assert {one.place for one in report.unread} == {"lab: halfway/networkpolicies", "lab: halfway/ingresses"}
    assert not report.ok


# -- who asks, and whom ------------------------------------------------------------------------------------------------


def test_a_client_certificate_in_the_file_signs_in(plane: ControlPlane, tmp_path: Path) -> None:
    import base64

    certificate, key = plane.certificate_of("eve", "system:masters")
    user = {
        "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
        "client-key-data": base64.b64encode(key.encode()).decode(),
    }
    a_namespace(plane, "by-certificate")
    assert look(plane.kubeconfig(tmp_path / "k", user), "by-certificate").ok
    assert {one["verb"] for one in plane.requests("eve")} == {"list", "get"}


PLUGIN = """#!/bin/sh
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "TOKEN"}}'
"""


def by_plugin(plane: ControlPlane, tmp_path: Path, script: str) -> Path:
    plugin = tmp_path / "sign-in"
    plugin.write_text(script)
    plugin.chmod(0o700)
    said = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    return plane.kubeconfig(tmp_path / "k", {"exec": said})


def test_a_program_of_the_file_signs_in_and_is_named(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_namespace(plane, "by-plugin")
    path = by_plugin(plane, tmp_path, PLUGIN.replace("TOKEN", plane.tokens["admin"]))
    assert run(["audit", "--kubeconfig", str(path), "--namespace", "by-plugin", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["cluster"]["plugin"] == str(tmp_path / "sign-in")
    assert f"signed in by running {tmp_path}/sign-in" in captured.err
    assert plane.tokens["admin"] not in captured.out + captured.err


def test_a_program_that_fails_is_no_anonymous_audit(plane: ControlPlane, tmp_path: Path) -> None:
    path = by_plugin(plane, tmp_path, "#!/bin/sh\necho the session is over >&2\nexit 1\n")
    with pytest.raises(DeployError, match="the session is over") as caught:
        look(path)
    assert caught.value.code == "not_signed_in"


def test_a_token_that_is_over_is_said(plane: ControlPlane, tmp_path: Path) -> None:
    a_namespace(plane, "over")
    token = plane.token_of("gateway", "over", over=True)
    with pytest.raises(DeployError, match="does not take the credentials of lab") as caught:
        look(plane.kubeconfig(tmp_path / "k", {"token": token}))
    assert caught.value.code == "not_signed_in"
    assert "expired" in caught.value.hint
    assert token not in str(caught.value)


def test_a_certificate_of_somebody_else_is_not_trusted(plane: ControlPlane, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from lifecycle.certificates import make_authority, pem_of

    before = plane.refused_credentials()
    other = tmp_path / "other.pem"
    other.write_bytes(pem_of([make_authority("other", datetime.now(UTC)).certificate]))
    path = plane.kubeconfig(tmp_path / "k", {"token": "sesame"}, **{"certificate-authority": str(other)})
    with pytest.raises(DeployError, match="cannot be trusted") as caught:
        look(path)
    assert caught.value.code == "cluster_not_trusted"
    assert plane.refused_credentials() == before  # the server never saw the token


def test_a_namespace_that_is_not_there_is_said(admin: Path) -> None:
    with pytest.raises(UsageError, match="no namespace nowhere"):
        look(admin, "nowhere")


# -- each thing once, and nothing that the server made -----------------------------------------------------------------


def owned(owner: dict[str, Any], name: str, spec: dict[str, Any], kind: str = "Pod", api: str = "v1") -> dict[str, Any]:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    metadata = {"name": name, "namespace": owner["metadata"]["namespace"], "labels": {"app": "gateway"}}
    return {"apiVersion": api, "kind": kind, "metadata": {**metadata, "ownerReferences": [reference]}, "spec": spec}


def test_a_pod_is_judged_at_what_made_it_unless_it_differs(plane: ControlPlane, admin: Path) -> None:
    tagged = {**CONTAINER, "image": "registry.internal/cloister/gateway:1"}
    apply(plane, moved(application({"Deployment": {"spec.template.spec.containers": [tagged]}}), "owned"))
    (deployment,) = plane.ask("GET", "/apis/apps/v1/namespaces/owned/deployments").json()["items"]
    deployment |= {"apiVersion": "apps/v1", "kind": "Deployment"}
    template = {"metadata": {"labels": {"app": "gateway"}}, "spec": {**POD, "containers": [{**tagged, "image": "old"}]}}
    selector = {"matchLabels": {"app": "gateway"}}
    (replicas,) = create(
        plane, [owned(deployment, "rs", {"selector": selector, "template": template}, "ReplicaSet", "apps/v1")]
    )
    create(plane, [owned(replicas, name, {**POD, "containers": [tagged]}) for name in ("a", "b")])
    report = look(admin, "owned")
    wrong = "container gateway names registry.internal/cloister/gateway:1, and no digest"
    assert [(one.resource, one.message) for one in report.findings] == [("lab: Deployment/owned/gateway", wrong)]

    sidecar = {**CONTAINER, "name": "sidecar", "image": "sidecar:latest"}
    create(plane, [owned(replicas, name, {**POD, "containers": [tagged, sidecar]}) for name in ("c", "d")])
    added = look(admin, "owned").findings[1:]
    assert [(one.rule, one.resource) for one in added] == [("kubernetes-pinned-images", "lab: Pod/owned/c")]

    waiver = WaiverPlan(
        rule="kubernetes-pinned-images",
        resource="lab: Deployment/owned/gateway",
        owner="team",
        reason="until the registry is there",
        ticket="T-1",
        expiry=report.at.date() + timedelta(days=3),
    )
    waived = look(admin, "owned", policy=PolicyPlan(waivers=(waiver,))).findings
    assert [(one.status, one.resource) for one in waived] == [
        ("waived", "lab: Deployment/owned/gateway"),
        ("violated", "lab: Pod/owned/c"),
    ]


def test_a_pod_whose_owner_nobody_knows_is_judged_itself(plane: ControlPlane, admin: Path) -> None:
    """Static pods are their node's, and a made-up owner hides nothing."""
    a_namespace(plane, "alone")
    nobody = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node", "uid": "1-2-3", "namespace": "alone"}}
    spec = {**POD, "containers": [{**CONTAINER, "image": "x"}]}
    static = owned(nobody, "static", {**spec, "nodeName": "node"})
    static["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    static["spec"] = {key: value for key, value in static["spec"].items() if key != "serviceAccountName"}
    hidden = owned({**nobody, "apiVersion": "apps/v1", "kind": "ReplicaSet"}, "hidden", spec)
    create(plane, [static, hidden])
    assert {one.resource for one in look(admin, "alone").findings} == {"lab: Pod/alone/static", "lab: Pod/alone/hidden"}


def test_what_the_server_adds_is_no_finding(plane: ControlPlane, admin: Path) -> None:
    a_namespace(plane, "added")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "added"}}
    spec = {key: value for key, value in POD.items() if key != "automountServiceAccountToken"}
    metadata = {"name": "bare", "namespace": "added"}
    # The server follows the account of the pod, so one is needed that does not refuse.
    spec["serviceAccountName"] = "default"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    _, made = create(plane, [account, pod])
    assert [one["name"][:16] for one in made["spec"]["volumes"]] == ["kube-api-access-"]
    found = look(admin, "added").findings
    assert told(found) == told(evaluate(None, (), manifests={"lab": yaml.safe_dump_all([pod, *namespace_of("added")])}))
    assert [one.rule for one in found] == ["kubernetes-no-api-tokens"]


def namespace_of(name: str) -> Iterator[Any]:
    texts = moved(application(without=("Deployment", "Service", "Role", "RoleBinding")), name)
    return (one.content for one in Manifests(texts).objects)


def test_the_table_is_what_a_server_makes_by_itself(plane: ControlPlane) -> None:
    """`UPDATE_GOLDEN=1` writes it anew, for a newer Kubernetes."""
    rule = next(rule for rule in FAMILY if rule.id == "kubernetes-narrow-roles")
    made: dict[str, Any] = {}
    for kind in (kind for kind in KINDS if kind.group == RBAC):
        for one in plane.listed(kind):
            metadata = one["metadata"]
            if SHIPPED_LABEL not in (metadata.get("labels") or {}):
                continue
            document = {"apiVersion": kind.api_version, "kind": kind.name, **one}
            if evaluate(None, (), (rule,), manifests=Manifests({}, {"": [document]})):
                name = "/".join(part for part in (kind.name, metadata.get("namespace", ""), metadata["name"]) if part)
                made[name] = {
                    key: one[key] for key in ("aggregationRule", "roleRef", "rules", "subjects") if one.get(key)
                }
    if os.environ.get("UPDATE_GOLDEN"):
        Path(shipped.__file__).with_name(shipped.TABLE).write_bytes(
            msgspec.json.format(msgspec.json.encode(made, order="sorted"), indent=1) + b"\n"
        )
    assert made == shipped.shipped()


def test_what_somebody_adds_to_the_servers_own_roles_is_found(plane: ControlPlane, admin: Path) -> None:
    def own() -> set[tuple[str, str]]:
        found = look(admin, system=True).findings
        roles = {(one.resource, one.message) for one in found if one.rule == "kubernetes-narrow-roles"}
        return {one for one in roles if "system:" in one[0] or "cluster-admin" in one[0]}

    assert own() == set()
    paths = [f"{KIND_OF[RBAC, 'ClusterRoleBinding'].path()}/cluster-admin"]
    paths.append(f"{KIND_OF[RBAC, 'ClusterRole'].path()}/system:basic-user")
    was = [plane.ask("GET", path).json() for path in paths]
    everybody = {"apiGroup": RBAC, "kind": "Group", "name": "system:authenticated"}
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    plane.ask("PUT", paths[0], json={**was[0], "subjects": [*was[0]["subjects"], everybody]}).raise_for_status()
    plane.ask("PUT", paths[1], json={**was[1], "rules": [*was[1]["rules"], secrets]}).raise_for_status()
    try:
        assert own() == {
            ("lab: ClusterRoleBinding/cluster-admin", "it gives the role cluster-admin"),
            ("lab: ClusterRoleBinding/cluster-admin", "it gives a role to system:authenticated"),
            ("lab: ClusterRole/system:basic-user", "it is about every secret (`resourceNames` is missing)"),
        }
    finally:
        for path, content in zip(paths, was, strict=True):
            version = plane.ask("GET", path).json()["metadata"]["resourceVersion"]
            content["metadata"]["resourceVersion"] = version
            plane.ask("PUT", path, json=content).raise_for_status()


def test_the_clusters_own_is_judged_by_choice_and_said(plane: ControlPlane, admin: Path) -> None:
    spec = {"containers": [CONTAINER], "hostNetwork": True, "automountServiceAccountToken": False}
    metadata = {"name": "proxy", "namespace": "kube-system"}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "kube-system"},
    }
    create(plane, [account, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}])
    place = "lab: Pod/kube-system/proxy"
    report = look(admin)
    assert place not in report.resources
    assert report.cluster is not None
    assert {"Namespace/kube-system", "Pod/kube-system/proxy"} <= set(report.cluster.left_out)
    for chosen in (look(admin, system=True), look(admin, "kube-system")):
        assert "kubernetes-no-host-namespaces" in {one.rule for one in chosen.findings if one.resource == place}
    # A role for others there lets them at what is the cluster's own.
    let_in = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "let-in", "namespace": "kube-system"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "gateway", "namespace": "serving"}],
    }
    create(plane, [let_in])
    assert "lab: RoleBinding/kube-system/let-in" in {one.resource for one in look(admin).findings}


def test_everything_is_read_page_by_page(plane: ControlPlane, tmp_path: Path) -> None:
    a_namespace(plane, "many")
    accounts = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": "many"},
            "automountServiceAccountToken": name == "a-298",
        }
        for name in ("pager", *(f"a-{number:03}" for number in range(300)))
    ]
    create(plane, accounts)
    role, binding = yaml.safe_load_all(role_manifest())
    role["metadata"]["name"] = binding["metadata"]["name"] = binding["roleRef"]["name"] = "pager"
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "pager", "namespace": "many"}]
    create(plane, [role, binding])
    pager = plane.kubeconfig(tmp_path / "k", {"token": plane.token_of("pager", "many")})
    report = look(pager, "many", page=100)
    assert [one.resource for one in report.findings] == ["lab: ServiceAccount/many/a-298"]
    assert len(report.resources) >= 301
    asked = [one["requestURI"] for one in plane.requests("system:serviceaccount:many:pager")]
    assert len([one for one in asked if "/serviceaccounts?limit=100&continue=" in one]) == 3


EXTENSION = {"group": "leaderworkerset.x-k8s.io", "plural": "leaderworkersets", "kind": "LeaderWorkerSet"}
GATEWAY = {"group": "gateway.networking.k8s.io", "plural": "gateways", "kind": "Gateway"}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def install(plane: ControlPlane, group: str, plural: str, kind: str, version: str) -> str:
    """Install an extension's kind, and wait until the server knows it; return where."""
    from tests.waiting import wait_until

    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    answer = plane.ask(
        "POST",
        CRDS,
        json={
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": f"{plural}.{group}",
                "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
            },
            "spec": {
                "group": group,
                "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
                "scope": "Namespaced",
                "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
            },
        },
    )
    assert answer.status_code == 201, answer.text
    wait_until(lambda: plane.ask("GET", f"/apis/{group}/{version}/{plural}").status_code == 200)
    return f"{CRDS}/{plural}.{group}"


def test_kinds_of_extensions_are_read_where_they_are_and_unread_where_they_are_others(
    plane: ControlPlane, admin: Path
) -> None:
    from tests.waiting import wait_until

    a_namespace(plane, "extended")
    assert look(admin, "extended").ok
    paths = [install(plane, version="v1", **EXTENSION), install(plane, version="v1beta1", **GATEWAY)]
    try:
        leader = {"spec": {**POD, "containers": [{**CONTAINER, "image": "engine:latest"}]}}
        create(
            plane,
            [
                {
                    "apiVersion": "leaderworkerset.x-k8s.io/v1",
                    "kind": "LeaderWorkerSet",
                    "metadata": {"name": "engine", "namespace": "extended"},
                    "spec": {"leaderWorkerTemplate": {"workerTemplate": leader}},
                }
            ],
        )
        report = look(admin, "extended")
    finally:
        for path in paths:
            plane.ask("DELETE", path)
        wait_until(lambda: all(plane.ask("GET", path).status_code == 404 for path in paths))
    assert {(one.rule, one.status, one.resource) for one in report.findings} == {
        ("kubernetes-pinned-images", "violated", "lab: LeaderWorkerSet/extended/engine"),
        ("audit-complete", "undecidable", "lab: extended/gateways"),
    }


def test_the_command_says_what_it_found_and_exits_as_for_a_stack(
    plane: ControlPlane, admin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_namespace(plane, "sound")
    words = ["audit", "--kubeconfig", str(admin), "--context", "lab", "--namespace", "sound"]
    assert run(words) == 0
    assert "every mandatory rule holds" in capsys.readouterr().out
    published = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "out", "namespace": "sound"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    }
    create(plane, [published])
    assert run([*words, "--json"]) == 3
    report = msgspec.json.decode(capsys.readouterr().out, type=AuditReport)
    assert {(one.rule, one.resource) for one in report.findings} == {
        ("kubernetes-service-types", "lab: Service/sound/out")
    }
    assert run(words) == 3
    out = capsys.readouterr().out
    assert "kubernetes-service-types" in out
    assert "v1.36" in out
