"""Prometheus's own checker on the rendered files, and every alert: when it fires, and when it does not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lifecycle.profiles import shipped_names
from planner.plan import Plan
from templates.render import render
from tests.alerts import told_plan
from tests.parts import require
from tests.templates.stacks import layout_below, plan_of

CASES = sorted((Path(__file__).parent / "rules").glob("*.test.yml"))
RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
RULES = "prometheus/rules/cloister.yml"
WITH_GPUS = told_plan(profile="2xh200", target="aws")
"""Every alert there is: in the sandbox no GPU is watched, and where nobody is told, nothing of that."""
ALWAYS = {"watchdog"}
"""What fires whatever happens."""


@pytest.fixture(scope="module")
def promtool() -> str:
    return require("promtool")


def write(plan: Plan, folder: Path) -> Path:
    """Write the rendered files where the layout says; return the configuration folder."""
    layout = layout_below(folder)
    for path, text in render(plan, layout).items():
        target = Path(layout.config, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return Path(layout.config)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alerts(plan: Plan) -> list[dict[str, Any]]:
    groups = yaml.safe_load(render(plan, layout_below("/stack"))[RULES])["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.slow
@pytest.mark.parametrize("profile", shipped_names())
def test_prometheus_takes_the_files(profile: str, promtool: str, tmp_path: Path) -> None:
    config = write(plan_of(profile), tmp_path)
    said = run(promtool, "check", "config", "--lint-fatal", config / "prometheus/prometheus.yml")
    assert f"{len(alerts(plan_of(profile)))} rules found" in said
    run(promtool, "check", "rules", "--lint-fatal", config / RULES)


@pytest.mark.slow
def test_prometheus_takes_replicas(promtool: str, tmp_path: Path) -> None:
    config = write(plan_of("2xh200", replicas=4), tmp_path)
    run(promtool, "check", "config", "--lint-fatal", config / "prometheus/prometheus.yml")


def test_every_replica_is_a_target_of_one_job() -> None:
    plan = plan_of("2xh200", replicas=4, ports={"engine-2.http": 9999})
    jobs = yaml.safe_load(render(plan, layout_below("/stack"))["prometheus/prometheus.yml"])["scrape_configs"]
    (engine,) = [job["static_configs"] for job in jobs if job["job_name"] == "engine"]
    found = {target["labels"]["replica"]: target["targets"] for target in engine}
    numbers = {"engine-0": 8000, "engine-1": 8001, "engine-2": 9999, "engine-3": 8003}
    assert found == {name: [f"127.0.0.1:{number}"] for name, number in numbers.items()}
    assert [job["job_name"] for job in jobs].count("gateway") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ['quotes " and \\ and [brackets]?', '{{ env "HOME" }} \U0001f600 é'])
def test_rules_are_found_below_any_folder(name: str, promtool: str, tmp_path: Path) -> None:
    config = write(plan_of("poc"), tmp_path / name)
    assert "rules found" in run(promtool, "check", "config", config / "prometheus/prometheus.yml")


@pytest.mark.slow
def test_prometheus_takes_the_files_of_hosts_with_gpus(promtool: str, tmp_path: Path) -> None:
    config = write(WITH_GPUS, tmp_path)
    run(promtool, "check", "config", "--lint-fatal", config / "prometheus/prometheus.yml")
    assert f"{len(alerts(WITH_GPUS))} rules found" in run(promtool, "check", "rules", "--lint-fatal", config / RULES)


def test_gpus_are_watched_where_there_are_some() -> None:
    def jobs(plan: Plan) -> dict[str, Any]:
        text = render(plan, layout_below("/stack"))["prometheus/prometheus.yml"]
        return {job["job_name"]: job["static_configs"] for job in yaml.safe_load(text)["scrape_configs"]}

    assert jobs(WITH_GPUS)["gpus"] == [{"targets": ["127.0.0.1:9400"]}]
    assert "gpus" not in jobs(plan_of("2xh200"))
    assert not [rule for rule in alerts(plan_of("2xh200")) if rule["alert"].startswith("Gpu")]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removesuffix(".test.yml"))
def test_alert(case: Path, promtool: str, tmp_path: Path) -> None:
    shutil.copy(write(WITH_GPUS, tmp_path) / RULES, tmp_path / "cloister.yml")
    run(promtool, "test", "rules", shutil.copy(case, tmp_path))


def test_every_alert_has_its_cases_and_its_runbook() -> None:
    """Each case file is named as the alert's runbook, and has it fire and stay silent."""
    found = {kebab(rule["alert"]) for rule in alerts(WITH_GPUS)}
    assert found == {case.name.removesuffix(".test.yml") for case in CASES}
    assert found == {path.stem for path in RUNBOOKS.glob("*.md")}
    for case in CASES:
        checks = [check for test in yaml.safe_load(case.read_text())["tests"] for check in test["alert_rule_test"]]
        assert {kebab(check["alertname"]) for check in checks} == {case.name.removesuffix(".test.yml")}
        silent = set() if case.name.removesuffix(".test.yml") in ALWAYS else {False}
        assert {bool(check["exp_alerts"]) for check in checks} == {True} | silent


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for rule in alerts(WITH_GPUS):
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{kebab(rule['alert'])}.md"
        assert rule["labels"]["severity"] in {"critical", "warning"} or kebab(rule["alert"]) in ALWAYS


@pytest.mark.parametrize(("days", "left_s"), [(30, 3 * 86400), (18, 3 * 86400), (7, 7 * 14400), (1, 14400)])
def test_short_lived_certificates_are_renewed_before_they_alert(days: int, left_s: int) -> None:
    plan = plan_of("poc")
    plan = msgspec.structs.replace(plan, tls=msgspec.structs.replace(plan.tls, leaf_days=days))
    (expression,) = [rule["expr"] for rule in alerts(plan) if rule["alert"] == "CertificateEndsSoon"]
    assert expression.endswith(f" < {left_s}")
    assert left_s < days * 86400 / 3


def kebab(alert: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower()
