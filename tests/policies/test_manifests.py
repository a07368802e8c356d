"""Manifests: every way of spoiling a sound application is caught, and nothing passes that nobody can read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.policy_check import check
from planner.errors import UsageError
from planner.plan import PolicyPlan
from policies.manifest_examples import TEMPLATE, application
from policies.manifests import PODS, Manifests
from policies.rules import RULES
from policies.run import evaluate, refusals

CASES = Path(__file__).parent / "cases" / "manifest_mutants.toml"
WAYS = {"pod": TEMPLATE, "container": f"{TEMPLATE}.containers.0"}
FAMILY = {rule.id for rule in RULES if rule.family == "kubernetes"}


def cases() -> Iterator[Any]:
    for kind, rules in tomllib.loads(CASES.read_text()).items():
        for rule, changes in rules.items():
            for path, value in changes:
                head, _, rest = path.partition(".")
                way = f"{WAYS[head]}.{rest}" if head in WAYS else path
                told = ... if value == "<gone>" else value
                yield pytest.param(kind, way, told, rule, id=f"{kind} {path} -> {value}")


def caught(manifests: dict[str, str]) -> set[str]:
    return {one.rule for one in refusals(evaluate(None, (), manifests=manifests), settled=True)}


def test_there_are_enough_rules_and_all_of_them_catch_something() -> None:
    assert len(FAMILY) >= 8
    table = tomllib.loads(CASES.read_text())
    assert {rule for rules in table.values() for rule in rules} == FAMILY


def test_a_sound_application_passes_and_no_other_rule_is_asked() -> None:
    assert evaluate(None, (), manifests=application()) == ()


@pytest.mark.parametrize(("kind", "path", "value", "rule"), list(cases()))
def test_a_mutant_is_caught(kind: str, path: str, value: Any, rule: str) -> None:
    assert rule in caught(application({kind: {path: value}}))


@pytest.mark.parametrize("maker", PODS, ids=lambda maker: str(maker[1]))
def test_pods_are_found_in_everything_that_makes_them(maker: tuple[str, str]) -> None:
    """A privileged container is caught whichever kind of object makes its pod."""
    spec = {"containers": [{"name": "c", "securityContext": {"privileged": True}}]}
    for path in PODS[maker]:
        content: dict[str, Any] = {"spec": spec}
        for key in reversed(path):
            content = {key: content}
        version = f"{maker[0]}/v1" if maker[0] else "v1"
        made = {"apiVersion": version, "kind": maker[1], "metadata": {"name": "x", "namespace": "serving"}, **content}
        assert "kubernetes-no-privileged" in caught(application(more=[made]))


def test_objects_in_a_list_are_judged() -> None:
    objects = [one.content for one in Manifests(application({"Service": {"spec.type": "NodePort"}})).objects]
    listed = msgspec.yaml.encode({"apiVersion": "v1", "kind": "List", "items": objects}).decode()
    assert caught({"all.yaml": listed}) == {"kubernetes-service-types"}


def test_what_is_in_a_namespace_that_nobody_shows_is_undecidable() -> None:
    findings = evaluate(None, (), manifests=application(without=("Namespace",)))
    assert {(one.rule, one.status) for one in findings} == {("kubernetes-pod-security", "unknown")}


def judge(folder: Path, text: str, name: str = "app.yaml") -> Any:
    path = folder / name
    path.write_text(text)
    return check((path,), PolicyPlan(), date(2026, 11, 21))


def test_a_file_of_several_documents_is_judged_whole(tmp_path: Path) -> None:
    (text,) = application().values()
    report = judge(tmp_path, text)
    assert (report.ok, report.judged[0].kind, report.judged[0].resources, report.findings) == (True, "manifest", 7, ())
    spoilt = (
        text + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: late, namespace: serving}\nspec: {hostPID: true}\n"
    )
    late = judge(tmp_path, spoilt)
    assert not late.ok
    assert "kubernetes-no-host-namespaces" in {one.rule for one in late.findings if "Pod/serving/late" in one.resource}


def test_an_unknown_kind_is_said(tmp_path: Path) -> None:
    report = judge(tmp_path, "apiVersion: example.com/v1\nkind: Magic\nmetadata: {name: wand}\n")
    assert not report.ok
    (found,) = report.findings
    assert found.rule == "kubernetes-judged-kinds"
    assert "Magic of example.com" in found.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no object"),
        ("---\n---\n", "no object"),
        ("a: [\n", "as YAML"),
        ("just: settings\n", "document 1 is no object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n---\n- 1\n", "document 2 is no object"),
        ("apiVersion: v1\nkind: Pod\n", "no name"),
        ("!!python/object/apply:os.system ['true']\n", "as YAML"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        judge(tmp_path, text)


def test_a_manifest_as_json_is_one_too(tmp_path: Path) -> None:
    report = judge(tmp_path, '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}', "x.json")
    assert (report.ok, report.judged[0].kind) == (True, "manifest")


@pytest.mark.parametrize(
    "spoil",
    [{f"{TEMPLATE}.containers": 3}, {f"{TEMPLATE}.volumes": "x"}, {"spec": "nothing"}, {f"{TEMPLATE}.containers": [1]}],
    ids=["containers", "volumes", "spec", "container"],
)
def test_what_has_a_wrong_shape_never_passes(spoil: dict[str, Any]) -> None:
    assert caught(application({"Deployment": spoil}))
