"""Four replicas behind one endpoint: requests spread, and one of them may die."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.e2e.deploy_cli import Deploy
from tests.e2e.test_running_stack import QUESTION, client_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("replicas")]

MODEL = "qwen3-235b-a22b-fp8"
REPLICAS = [f"engine-{number}" for number in range(4)]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Bring up four replicas; take them down at the end."""
    folder = tmp_path_factory.mktemp("four")
    deploy = Deploy(folder / "state")
    try:
        deploy("up", "--profile", str(profile(folder, "2xh200", 4)))
        yield deploy
    finally:
        deploy("down", check=False)
    assert deploy.processes() == []


def profile(folder: Path, base: str, replicas: int) -> Path:
    path = folder / "mine.toml"
    path.write_text(f'extends = "{base}"\nhardware.replicas = {replicas}\n')
    return path


def services(deploy: Deploy) -> dict[str, dict[str, Any]]:
    return {service["name"]: service for service in deploy("status", "--json").json["services"]}


def figure(url: str, name: str) -> float:
    """Return an engine's own figure; 0 for one that does not answer."""
    try:
        text = httpx.get(f"{url}/metrics", timeout=5, trust_env=False).text
    except httpx.HTTPError:
        return 0
    return sum(float(value) for value in re.findall(rf"^{name}\{{.*\}} (\S+)$", text, re.MULTILINE))


def answered(urls: list[str]) -> list[float]:
    return [figure(url, "vllm:request_success_total") for url in urls]


def complete(client: openai.OpenAI, tokens: int = 4) -> None:
    assert client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=tokens).choices


def test_requests_spread_evenly(four: Deploy) -> None:
    known = services(four)
    urls = [known[name]["url"] for name in REPLICAS]
    with client_of(four) as client:
        before = answered(urls)
        for _ in range(16):
            complete(client)
        then = answered(urls)
        assert [after - was for after, was in zip(then, before, strict=True)] == [4, 4, 4, 4]
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(complete, client, 16) for _ in range(64)]:
                done.result()
    at_once = [after - was for after, was in zip(answered(urls), then, strict=True)]
    assert sum(at_once) == 64
    assert min(at_once) >= 12, at_once


def test_every_check_of_verify_holds_for_each_replica(four: Deploy) -> None:
    report = four("verify", "--json").json
    checks = {check["id"]: check for check in report["checks"]}
    assert [check for check in checks.values() if not check["ok"]] == []
    for name in REPLICAS:
        assert {f"service.{name}", f"replica.{name}"} <= set(checks)
        assert name in checks["metrics.targets"]["detail"]


def test_verify_names_the_replica_that_fails(four: Deploy) -> None:
    faults = four.home / "stacks" / "default" / "data" / "engine-2" / "faults.json"
    faults.write_text(json.dumps({"error_rate": 1.0, "status": 500}))
    try:
        done = four("verify", "--json", check=False)
    finally:
        faults.write_text("{}")
    failed = {check["id"] for check in done.json["checks"] if check["ok"] is False}
    assert done.code == 4
    assert [name for name in failed if name.startswith("replica.")] == ["replica.engine-2"]


def test_logs_of_the_engine_are_those_of_every_replica(four: Deploy) -> None:
    assert set(four("logs", "engine", "--json").json["logs"]) == set(REPLICAS)
    assert set(four("logs", "engine-3", "--json").json["logs"]) == {"engine-3"}
    refused = four("logs", "engine", "--follow", check=False)
    assert (refused.code, "engine-2" in refused.err) == (2, True)


def test_a_second_up_leaves_the_replicas_alone(four: Deploy) -> None:
    before = {name: service["pid"] for name, service in services(four).items()}
    four("up")
    assert {name: service["pid"] for name, service in services(four).items()} == before


def test_one_replica_dies_while_another_streams(four: Deploy) -> None:
    """The stream goes on, no other request fails, and the dead one is asked again once it is back."""
    known = services(four)
    urls = [known[name]["url"] for name in REPLICAS]
    with client_of(four) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=QUESTION, max_tokens=600, stream=True, extra_body={"ignore_eos": True}
        )
        chunks = iter(stream)
        next(chunks)
        streaming = [figure(url, "vllm:num_requests_running") for url in urls].index(1)
        victim = (streaming + 1) % 4
        process = psutil.Process(known[REPLICAS[victim]]["pid"])
        process.kill()
        process.wait(5)
        for _ in range(12):
            complete(client)
        assert figure(urls[streaming], "vllm:num_requests_running") == 1
        rest = list(chunks)
        assert rest[-1].choices[0].finish_reason == "length"
        deadline = time.monotonic() + 30
        while not figure(urls[victim], "vllm:request_success_total"):
            assert time.monotonic() < deadline, "the replica that died is never asked again"
            complete(client)
    while (after := services(four))[REPLICAS[victim]]["state"] != "RUNNING":  # the supervisor says so after a second
        assert time.monotonic() < deadline
    assert after[REPLICAS[victim]]["pid"] != known[REPLICAS[victim]]["pid"]
    assert after[REPLICAS[streaming]]["pid"] == known[REPLICAS[streaming]]["pid"]


@pytest.mark.timeout(300)
def test_replicas_come_and_go_with_the_profile(deploy: Deploy, tmp_path: Path) -> None:
    def up(replicas: int) -> dict[str, dict[str, Any]]:
        deploy("up", "--profile", str(profile(tmp_path, "poc", replicas)))
        with client_of(deploy) as client:
            assert client.models.list().data
        known = services(deploy)
        assert [name for name in known if name.startswith("engine-")] == [f"engine-{n}" for n in range(replicas)]
        return known

    two, four = up(2), up(4)
    assert [four[name]["pid"] for name in REPLICAS[:2]] == [two[name]["pid"] for name in REPLICAS[:2]]
    three = up(3)
    assert [three[name]["pid"] for name in REPLICAS[:3]] == [four[name]["pid"] for name in REPLICAS[:3]]
    assert four["engine-3"]["pid"] not in deploy.processes()
    assert deploy("verify", "--json").json["ok"]
    report = deploy("down", "--json").json
    assert report["ok"]
    removed = {item["name"].split(" ")[0] for item in json.loads(Path(report["certificate"]).read_text())["removed"]}
    assert set(REPLICAS[:3]) <= removed
