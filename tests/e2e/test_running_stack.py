"""What a client, a stranger and an operator see of a stack that is up."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.e2e.deploy_cli import Deploy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("running")]


def client_of(deploy: Deploy, token: str | None = None) -> openai.OpenAI:
    endpoint = deploy("status", "--json").json["endpoint"]
    trust = ssl.create_default_context(cafile=endpoint["ca_file"])
    return openai.OpenAI(
        base_url=f"{endpoint['url']}/v1",
        api_key=token or deploy.token(),
        http_client=openai.DefaultHttpxClient(verify=trust, trust_env=False),
        max_retries=0,
    )


QUESTION: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Say hello."}]


def test_the_official_client_lists_completes_and_streams(running: Deploy) -> None:
    with client_of(running) as client:
        assert [model.id for model in client.models.list()] == ["qwen3-235b-a22b-fp8"]
        answer = client.chat.completions.create(model="qwen3-235b-a22b-fp8", messages=QUESTION, max_tokens=16)
        assert answer.choices[0].message.content
        assert answer.usage is not None
        assert answer.usage.completion_tokens <= 16
        stream = client.chat.completions.create(
            model="qwen3-235b-a22b-fp8", messages=QUESTION, max_tokens=64, stream=True
        )
        arrivals = [time.monotonic() for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
        assert len(arrivals) > 2
        assert arrivals[-1] > arrivals[0], "all chunks came at once: something buffers"


def test_errors_reach_the_client_as_the_engine_words_them(running: Deploy) -> None:
    with client_of(running) as client, pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="nope", messages=QUESTION)


def test_evidence_of_what_runs_holds_what_was_tried_and_no_secret(running: Deploy, tmp_path: Path) -> None:
    report = running("evidence", "--out", str(tmp_path / "evidence"), "--json").json
    assert (report["ok"], report["refused"], report["private"]) == (True, False, True)
    evidence = json.loads((tmp_path / "evidence" / "evidence.json").read_text())
    assert evidence["subject"]["state"] == "running"
    assert evidence["exposure"]["of"] == "account"
    assert {one["id"] for one in evidence["live"]["tls"]} >= {"tls.version", "tls.plain_http"}
    assert {one["id"] for one in evidence["live"]["tokens"]} >= {"auth.alg_none", "auth.expired"}
    assert evidence["counts"].keys() <= {"holds", "not applicable"}
    assert len(evidence["audit"]["resources"]) > 40
    assert "traefik/dynamic/routes.yml" in evidence["audit"]["files"]
    assert (evidence["audit"]["strangers"], evidence["audit"]["unread"]) == ([], [])
    assert {grant["effect"] for grant in evidence["access"]["grants"]} == {"Allow", "Deny"}
    written = [path.read_bytes() for path in (tmp_path / "evidence").iterdir()]
    secrets = [path for path in (running.home / "stacks" / "default" / "secrets").rglob("*") if path.is_file()]
    values = [value for path in secrets if len(value := path.read_bytes().strip()) >= 16]
    assert values
    assert not any(value in content for value in values for content in written)
    assert running("evidence", "verify", str(tmp_path / "evidence"), "--json").json["ok"]


def test_a_stranger_is_refused(running: Deploy) -> None:
    with client_of(running, token="wrong") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_status_keeps_its_contract(running: Deploy) -> None:
    report = running("status", "--json").json
    assert set(report) >= {"stack", "profile", "target", "state", "endpoint", "services"}
    assert report["state"] == "running"
    assert set(report["endpoint"]) >= {"url", "ca_file", "models"}
    assert {"aws", "engine", "gateway", "traefik"} <= {service["name"] for service in report["services"]}
    for service in report["services"]:
        assert {"name", "state", "url", "pid"} <= set(service)


def test_every_check_of_verify_holds(running: Deploy) -> None:
    report = running("verify", "--json").json
    assert report["ok"]
    assert [check for check in report["checks"] if not check["ok"]] == []
    assert len(report["checks"]) >= 25


def test_a_token_keeps_its_contract_and_is_kept_nowhere(running: Deploy) -> None:
    issued = running("token", "issue", "--client", "kept-nowhere", "--ttl", "10m", "--json").json
    assert set(issued) >= {"token", "jti", "expires_at"}
    listed = running("token", "list", "--json").json["tokens"]
    assert issued["jti"] in {token["jti"] for token in listed}
    for path in running.home.rglob("*"):
        if path.is_file():
            assert issued["token"].encode() not in path.read_bytes(), path


def test_a_revoked_token_is_refused_within_two_seconds(running: Deploy) -> None:
    issued = running("token", "issue", "--client", "revoked-soon", "--json").json
    with client_of(running, token=issued["token"]) as client:
        client.models.list()
        running("token", "revoke", issued["jti"])
        revoked = time.monotonic()
        while time.monotonic() < revoked + 2:
            try:
                client.models.list()
            except openai.AuthenticationError:
                return
        pytest.fail("a revoked token was still let in after 2 s")


def test_a_token_that_lives_too_long_is_not_issued(running: Deploy) -> None:
    done = running("token", "issue", "--client", "me", "--ttl", "30d", "--json", check=False)
    assert done.code == 2
    assert "max_token_lifetime_s" in done.json["error"]["hint"] + done.json["error"]["message"]


def test_prometheus_is_seen_with_the_right_token_only(running: Deploy) -> None:
    endpoint = running("status", "--json").json["endpoint"]
    trust = ssl.create_default_context(cafile=endpoint["ca_file"])
    with httpx.Client(base_url=endpoint["url"], verify=trust, trust_env=False) as client:
        path = "/prometheus/api/v1/query?query=up"
        assert client.get(path).status_code == 401
        inference = {"Authorization": f"Bearer {running.token()}"}
        assert client.get(path, headers=inference).status_code == 403
        observe = running("token", "issue", "--client", "test", "--observe").out.strip()
        answer = client.get(path, headers={"Authorization": f"Bearer {observe}"})
        assert answer.status_code == 200
        assert answer.json()["status"] == "success"


def test_a_second_up_changes_nothing(running: Deploy) -> None:
    def pids() -> dict[str, int]:
        return {s["name"]: s["pid"] for s in running("status", "--json").json["services"]}

    before = pids()
    report = running("up", "--json").json
    assert set(report["changes"]) == {"same"}
    assert pids() == before


def test_the_examples_of_open_run_as_they_are_printed(running: Deploy) -> None:
    examples = running("open", "--json").json["examples"]
    token = running.token()
    python = subprocess.run(
        [sys.executable, "-c", examples["python"]],
        env=running.environment(OPENAI_API_KEY=token),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert python.stdout.strip()
    command = examples["curl"].replace("$(deploy token issue --client me)", token)
    curl = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(curl.stdout)["choices"]


def test_ca_prints_the_file_that_clients_trust(running: Deploy) -> None:
    report = running("ca", "--json").json
    assert Path(report["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert shlex.quote(report["ca_file"]) in running("ca").out


def test_logs_of_a_service(running: Deploy) -> None:
    assert running("logs", "gateway", "--lines", "5").out
    done = running("logs", "gatewy", "--json", check=False)
    assert (done.code, done.json["error"]["code"]) == (2, "no_such_service")


def test_a_crashed_service_comes_back(running: Deploy) -> None:
    def engine() -> dict[str, object]:
        services = running("status", "--json").json["services"]
        return next(service for service in services if service["name"] == "engine")

    before = engine()["pid"]
    assert isinstance(before, int)
    os.kill(before, 9)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        after = engine()
        if after["state"] == "RUNNING" and after["pid"] != before:
            break
    else:
        pytest.fail("the engine did not come back")
    with client_of(running) as client:
        while time.monotonic() < deadline:
            try:
                client.models.list()
            except openai.APIStatusError:
                continue  # it listens a moment after it runs
            break


def test_output_for_machines_has_no_escapes(running: Deploy) -> None:
    for arguments in (("status",), ("verify",), ("plan",), ("token", "list"), ("up",)):
        done = running(*arguments)
        assert "\x1b" not in done.out + done.err, arguments


def test_verify_notices_an_open_secret(running: Deploy) -> None:
    secret = running.home / "stacks" / "default" / "secrets" / "engine-api-key"
    secret.chmod(0o644)
    try:
        done = running("verify", "--json", check=False)
    finally:
        secret.chmod(0o600)
    assert done.code == 4
    assert [check["id"] for check in done.json["checks"] if check["ok"] is False] == ["secrets.closed"]


def test_verify_notices_a_port_that_is_not_in_the_plan(running: Deploy) -> None:
    marker = {"CLOISTER_STACK_DIR": str(running.home / "stacks" / "default")}
    listen = "import socket, sys; s = socket.create_server(('0.0.0.0', 0)); print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", listen],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **marker},
    ) as rogue:
        assert rogue.stdout is not None
        rogue.stdout.readline()
        done = running("verify", "--json", check=False)
        rogue.communicate(b"")
    failed = {check["id"] for check in done.json["checks"] if check["ok"] is False}
    assert (done.code, failed) == (4, {"ports.planned", "ports.loopback"})


def test_verify_notices_an_engine_that_hangs(running: Deploy) -> None:
    faults = running.home / "stacks" / "default" / "data" / "engine" / "faults.json"
    faults.write_text(json.dumps({"error_rate": 1.0, "status": 500}))
    try:
        time.sleep(0)  # the engine reads the file when it has changed
        done = running("verify", "--json", check=False)
    finally:
        faults.write_text("{}")
    failed = {check["id"] for check in done.json["checks"] if check["ok"] is False}
    assert done.code == 4
    assert {"inference.answer", "inference.stream"} <= failed
