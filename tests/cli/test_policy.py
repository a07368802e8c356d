"""`deploy policy`: what it prints, what it refuses, and that nothing passes by accident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.main import run
from lifecycle.home import Home
from lifecycle.planning import Request, decide
from lifecycle.policies import read_policy, rules_in, rules_of, today
from lifecycle.policy_check import SECRET_KIND, SECRET_MARK, UNKNOWN_VALUE
from lifecycle.profiles import load_profile
from lifecycle.refusals import refuse_violations
from planner.catalogue import load_catalogue
from planner.errors import PolicyRefusedError, UsageError
from planner.make_plan import Site, make_plan
from planner.plan import Plan, to_json
from policies.examples import urn_of
from policies.rules import RULES
from policies.run import evaluate
from tests.policies.stacks import Record, good_stack

OWN_RULE = """
from policies import examples
from policies.rule import Example, Rule, Violated

def on_plan(plan):
    if plan.model.licence != "Apache-2.0":
        yield Violated(f"the licence is {plan.model.licence}")

RULE = Rule(
    id="acme-licence",
    title="Models are under Apache 2.0",
    family="supply-chain",
    severity="high",
    why="Lawyers have read one licence. Others are read by nobody.",
    remediation="Choose another `model.name`.",
    controls=("nist CM-10",),
    references=("https://example.test",),
    good=(Example("one", plan=examples.plan()), Example("two", plan=examples.changed(purpose="service"))),
    bad=(
        Example("MIT", plan=examples.changed(model={"licence": "MIT"})),
        Example("none", plan=examples.changed(model={"licence": ""})),
    ),
    on_plan=on_plan,
)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "acme_licence.py").write_text(OWN_RULE)
    return tmp_path / "acme"


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code = run([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def plan(profile: str = "2xh200") -> Plan:
    return make_plan(load_profile(profile), load_catalogue(), Site(stack="example"))


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def entry(record: Record) -> dict[str, Any]:
    return {
        "urn": urn_of(record["type"], record["name"]),
        "type": record["type"],
        "id": record.get("id", ""),
        "inputs": {"__defaults": [], **record["inputs"]},
        "outputs": {},
        "dependencies": [urn_of(*place.rsplit("::", 1)) for place in record.get("after", ())],
    }


def state(records: list[Record]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": [entry(record) for record in records]}}


def codes(report: Any) -> set[tuple[str, str]]:
    return {(finding["rule"], finding["status"]) for finding in report["findings"]}


def test_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, listed = call(capsys, "policy", "list")
    assert code == 0
    assert [rule["id"] for rule in listed["rules"]] == [rule.id for rule in RULES]
    assert set(listed["rules"][0]) == {"id", "title", "severity", "family", "level", "levels"}
    _, some = call(capsys, "policy", "list", "--family", "identity")
    assert {rule["family"] for rule in some["rules"]} == {"identity"}


def test_a_card_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, card = call(capsys, "policy", "show", "routes-authenticated")
    assert code == 0
    assert card["severity"] == "critical"
    assert {"benchmark", "version", "number", "title", "url"} == set(card["controls"][0])
    assert card["bad"]
    assert run(["policy", "show", "routes-authenticated"]) == 0
    out = capsys.readouterr().out
    assert card["why"][:20] in out
    assert card["bad"][0] in out


def test_a_shipped_plan_passes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, report = call(capsys, "policy", "check", written(tmp_path / "plan.json", to_json(plan())))
    assert (code, report["ok"], report["findings"]) == (0, True, [])
    assert report["judged"][0]["kind"] == "plan"
    assert report["rules"] == len(RULES)
    assert run(["policy", "check", str(tmp_path / "plan.json")]) == 0
    assert "every mandatory rule holds" in capsys.readouterr().out


def test_a_spoilt_plan_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = plan()
    spoilt = msgspec.structs.replace(made, engine=msgspec.structs.replace(made.engine, version="0.21.0"))
    path = written(tmp_path / "plan.json", to_json(spoilt))
    code, report = call(capsys, "policy", "check", path)
    assert (code, report["ok"]) == (3, False)
    assert codes(report) == {("no-known-advisories", "violated")}
    finding = report["findings"][0]
    assert set(finding) == {"rule", "severity", "level", "resource", "message", "remediation", "status"}
    assert run(["policy", "check", str(path)]) == 3
    assert "CVE-2026-48746" in capsys.readouterr().out


def test_a_state_is_judged_beside_its_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = plan()
    network = msgspec.structs.replace(made.network, client_cidrs=("10.20.0.0/16",), gateway_port=8443)
    logs = msgspec.structs.replace(made.logs, sources=())
    path = written(tmp_path / "plan.json", to_json(msgspec.structs.replace(made, network=network, logs=logs, tags={})))
    good = written(tmp_path / "state.json", state(good_stack()))
    code, report = call(capsys, "policy", "check", path, good)
    assert (code, report["findings"]) == (0, [])
    assert [one["kind"] for one in report["judged"]] == ["plan", "state"]
    bad = written(tmp_path / "bad.json", state([*good_stack(), {"type": "aws:ec2/eip:Eip", "name": "a", "inputs": {}}]))
    code, report = call(capsys, "policy", "check", path, bad)
    assert (code, codes(report)) == (3, {("no-internet-path", "violated")})


def test_what_nobody_can_decide_is_no_pass(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A state alone says nothing of what was planned; and a value that is decided at apply is not known."""
    code, report = call(capsys, "policy", "check", written(tmp_path / "state.json", state(good_stack())))
    assert code == 3
    assert {status for _, status in codes(report)} == {"unknown"}
    role = {"type": "aws:iam/role:Role", "name": "r", "inputs": {"name": "x", "maxSessionDuration": UNKNOWN_VALUE}}
    secret = {"type": "aws:kms/key:Key", "name": "k", "inputs": {"enableKeyRotation": {SECRET_MARK: SECRET_KIND}}}
    preview = {"steps": [{"op": "create", "newState": entry(one)} for one in (role, secret)]}
    _, report = call(capsys, "policy", "check", written(tmp_path / "preview.json", preview))
    assert report["judged"][0]["kind"] == "preview"
    assert {("short-role-sessions", "unknown"), ("encrypted-at-rest", "unknown")} <= codes(report)
    run(["policy", "check", str(tmp_path / "preview.json")])
    assert "decided" in capsys.readouterr().out


WHOLE = to_json(plan())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (WHOLE[: len(WHOLE) // 2], "not_json"),
        ("", "not_json"),
        (WHOLE + WHOLE, "several_documents"),
        ("apiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: Pod\n", "not_json"),
        ("[]", "unknown_kind"),
        ('{"hello": 1}', "unknown_kind"),
        (WHOLE.replace('"schema": 1', '"schema": 2'), "newer_plan"),
        (WHOLE.replace('"purpose"', '"porpoise"'), "plan_invalid"),
        ('{"version": 3, "deployment": {"resources": []}}', "empty_state"),
        ('{"version": 3, "deployment": {}}', "empty_state"),
        ('{"version": 9, "deployment": {"resources": []}}', "other_version"),
        ('{"version": 3, "deployment": {"resources": [{"urn": "u"}]}}', "unknown_kind"),
        ('{"steps": []}', "empty_preview"),
    ],
)
def test_what_cannot_be_judged_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, code: str
) -> None:
    got, answer = call(capsys, "policy", "check", written(tmp_path / "x.json", text))
    assert (got, answer["error"]["code"]) == (2, code)
    assert answer["error"]["hint"]
    assert "x.json" in answer["error"]["message"]


def test_several_plans_and_missing_files_are_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = written(tmp_path / "plan.json", WHOLE)
    assert call(capsys, "policy", "check", path, path)[0] == 2
    assert call(capsys, "policy", "check", tmp_path / "none.json")[1]["error"]["code"] == "unreadable"
    assert call(capsys, "policy", "show", "no-such-rule")[1]["error"]["code"] == "unknown_rule"
    assert call(capsys, "policy", "list", "--family", "magic")[1]["error"]["code"] == "unknown_family"


def test_a_teams_rule_is_proven_and_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path) -> None:
    assert call(capsys, "policy", "test", folder) == (
        0,
        {"ok": True, "rules": [{"id": "acme-licence", "file": "acme_licence.py", "faults": []}]},
    )
    path = written(tmp_path / "plan.json", to_json(plan("8xh200")))
    code, report = call(capsys, "policy", "check", path, "--policies", folder)
    assert (code, codes(report)) == (3, {("acme-licence", "violated")})
    (folder / "waivers.toml").write_text(
        '[[waiver]]\nrule = "acme-licence"\nresource = "plan"\nowner = "o"\nreason = "r"\nticket = "t"\n'
        "expiry = 2020-01-01\n"
    )
    code, report = call(capsys, "policy", "check", path, "--policies", folder)
    assert (code, codes(report)) == (3, {("acme-licence", "violated"), ("waivers", "violated")})
    (folder / "waivers.toml").unlink()
    (folder / "levels.toml").write_text('[staging.acme-licence]\nlevel = "advisory"\nreason = "a trial"\n')
    code, report = call(capsys, "policy", "check", path, "--policies", folder, "--environment", "staging")
    assert (code, [one["level"] for one in report["findings"]]) == (0, ["advisory"])
    assert call(capsys, "policy", "check", path, "--policies", folder, "--environment", "prod")[0] == 2
    _, page = call(capsys, "policy", "docs", "--policies", folder)
    assert "## acme-licence" in page["markdown"]
    assert "## routes-authenticated" in page["markdown"]


def test_a_profile_names_the_folder(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    profile = written(tmp_path / "mine.toml", 'extends = "8xh200"\ndescription = "mine"\npolicies = ["./acme"]\n')
    decided, kept = decide(Home.of_user().stack("example"), Request(profile=str(profile)))
    assert decided.policy.folders == kept.profile.policies == (str(folder),)
    assert [rule.id for rule in rules_of(decided)][len(RULES) :] == ["acme-licence"]
    findings = evaluate(decided, (), rules_of(decided), today=today())
    with pytest.raises(PolicyRefusedError, match="acme-licence"):
        refuse_violations(findings, rules_of(decided))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")
def test_a_plan_that_is_refused_is_one_document(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path
) -> None:
    text = f'extends = "8xh200"\ndescription = "mine"\npolicies = ["{folder}"]\n'
    code, report = call(capsys, "plan", "--profile", written(tmp_path / "mine.toml", text))
    assert (code, codes(report) & {("acme-licence", "violated")}) == (3, {("acme-licence", "violated")})
    code = run(["plan", "--profile", str(tmp_path / "mine.toml")])
    told = capsys.readouterr()
    assert code == 3
    assert "acme-licence: violated (high, mandatory)" in told.out
    assert "policy acme-licence refuses plan" in told.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise RuntimeError('surprise')", "surprise"),
        ("x = 1", "holds no rule"),
        (OWN_RULE.replace('id="acme-licence"', 'id="no-internet-path"'), "already"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_faulty_folder_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "x.py").write_text(text)
    with pytest.raises(UsageError, match=said):
        rules_in((str(tmp_path / "rules"),))


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        read_policy((str(tmp_path / "nowhere"),))
    with pytest.raises(UsageError, match="environment"):
        read_policy((), "production")


def test_a_package_that_is_installed_is_as_good_as_a_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "example_house" / "rules"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("_limits", 'WORD = "MIT"\n')):
        (package / f"{name}.py").write_text(text)
    shared = f"from example_house.rules._limits import WORD\n{OWN_RULE}"
    (package / "acme_licence.py").write_text(shared.replace('"MIT"', "WORD"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    assert read_policy(("example_house.rules",)).folders == (str(package),)
    assert call(capsys, "policy", "test", "example_house.rules")[1]["ok"]
    with pytest.raises(UsageError, match="no folder"):
        read_policy(("example_house.nowhere",))


def test_a_teams_faulty_rule_is_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "acme_licence.py").write_text(OWN_RULE.replace('"MIT"', '"Apache-2.0"'))
    code, report = call(capsys, "policy", "test", folder)
    assert (code, report["ok"]) == (1, False)
    assert "accepts the bad example" in report["rules"][0]["faults"][0]
    assert run(["policy", "test", str(folder)]) == 1
    assert "acme-licence" in capsys.readouterr().out


def test_a_teams_rule_that_raises_is_broken_and_refuses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path
) -> None:
    (folder / "acme_licence.py").write_text(OWN_RULE.replace("if plan.model", "if plan.colour"))
    path = written(tmp_path / "plan.json", WHOLE)
    code, report = call(capsys, "policy", "check", path, "--policies", folder)
    assert (code, codes(report)) == (3, {("acme-licence", "broken")})
