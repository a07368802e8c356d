"""Up, down, and everything that may come between."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.deploy_cli import ROOT, Deploy

pytestmark = pytest.mark.slow


def gone(deploy: Deploy, stack: str = "default") -> None:
    """Assert that nothing of the stack is left but its certificate."""
    assert deploy.processes() == []
    assert not (deploy.home / "stacks" / stack).exists()
    certificates = sorted((deploy.home / "archive").glob(f"{stack}-*.json"))
    assert certificates
    newest = json.loads(certificates[-1].read_text())
    assert newest["leftovers"] == []
    assert newest["looked"]
    assert certificates[-1].with_suffix(".md").read_text().startswith(f"# Teardown of stack `{stack}`")


def test_down_leaves_nothing_but_a_certificate(deploy: Deploy) -> None:
    deploy("up", "--profile", "poc")
    ports = json.loads((deploy.home / "stacks" / "default" / "ports.json").read_text()).values()
    report = deploy("down", "--json").json
    assert set(report) >= {"ok", "leftovers", "certificate"}
    assert report["ok"]
    gone(deploy)
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, port
    removed = {item["kind"] for item in json.loads(Path(report["certificate"]).read_text())["removed"]}
    assert {"aws:ec2/vpc:Vpc", "aws:ec2/instance:Instance", "process"} <= removed
    again = deploy("down", "--json").json
    assert again["ok"]
    assert again["certificate"] == report["certificate"]


@pytest.mark.timeout(300)
def test_two_stacks_live_side_by_side(deploy: Deploy) -> None:
    deploy("up", "--profile", "poc", "--stack", "one")
    deploy("up", "--profile", "1xh200", "--stack", "two")
    listed = {stack["stack"]: stack for stack in deploy("list", "--json").json["stacks"]}
    assert {name: stack["state"] for name, stack in listed.items()} == {"one": "running", "two": "running"}
    assert listed["one"]["url"] != listed["two"]["url"]
    stranger = deploy.token("one")
    from tests.e2e.test_running_stack import client_of

    two = Deploy(deploy.home, {"CLOISTER_STACK": "two"})
    with client_of(two, token=stranger) as client:
        import openai

        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    deploy("down", "--stack", "one")
    assert deploy("status", "--stack", "two", "--json").json["state"] == "running"
    deploy("down", "--stack", "two")
    gone(deploy, "one")
    gone(deploy, "two")


def test_a_changed_profile_changes_what_it_must(deploy: Deploy, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "poc"\n')
    deploy("up", "--profile", str(mine))
    before = deploy("status", "--json").json
    mine.write_text('extends = "poc"\n[aws]\nroot_volume_gib = 150\n[network]\nclient_cidrs = ["192.168.7.0/24"]\n')
    changes = deploy("up", "--profile", str(mine), "--json").json["changes"]
    assert changes["same"] > 20
    assert sum(count for op, count in changes.items() if op != "same") >= 2
    after = deploy("status", "--json").json
    assert after["endpoint"] == before["endpoint"]
    assert {s["name"]: s["pid"] for s in after["services"]} == {s["name"]: s["pid"] for s in before["services"]}


def test_a_policy_violation_stops_up_before_anything_is_created(deploy: Deploy, tmp_path: Path) -> None:
    mine = tmp_path / "open.toml"
    mine.write_text('extends = "poc"\n[network]\nclient_cidrs = ["0.0.0.0/0"]\n')
    done = deploy("up", "--profile", str(mine), "--json", check=False)
    assert (done.code, done.json["error"]["code"]) == (3, "policy_refused")
    assert "client_cidrs" in done.json["error"]["hint"]
    assert deploy.processes() == []
    planned = deploy("plan", "--profile", str(mine), "--json", check=False)
    assert planned.code == 3


def test_a_locked_stack_names_the_holder(deploy: Deploy) -> None:
    deploy("up", "--profile", "poc")
    holder = "import sys; from pathlib import Path; from lifecycle.home import Home; from lifecycle.lock import hold\n"
    holder += "with hold(Home(Path(sys.argv[1])).stack('default'), 'up'): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(deploy.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for verb in (("up",), ("down",)):
            done = deploy(*verb, "--json", check=False)
            assert (done.code, done.json["error"]["code"]) == (6, "locked")
            assert f"pid {process.pid}" in done.json["error"]["message"]
        process.communicate(b"")
    assert deploy("status", "--json").json["state"] == "running"


def test_ctrl_c_leaves_a_stack_that_can_be_resumed(deploy: Deploy) -> None:
    process = deploy.start("up", "--profile", "poc", "--json")
    journal = deploy.home / "stacks" / "default" / "journal.jsonl"
    wait_for(lambda: journal.exists() and '"start aws"' in journal.read_text())
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    deploy("up")
    assert deploy("verify", "--json").json["ok"]


@pytest.mark.timeout(900)
def test_sigkill_at_ten_points_of_up(deploy: Deploy) -> None:
    """Half of the killed stacks are brought up again, half are taken down."""
    chance = random.Random(7)
    started = time.monotonic()
    deploy("up", "--profile", "poc")
    whole = time.monotonic() - started
    deploy("down")
    for point in range(10):
        deploy.kill_after(whole * (point + chance.random()) / 10, "up", "--profile", "poc")
        if point % 2:
            deploy("up", "--profile", "poc")
            assert deploy("status", "--json").json["state"] == "running"
        deploy("down", check=(deploy.home / "stacks" / "default").exists())
        assert deploy.processes() == []
        assert not (deploy.home / "stacks" / "default").exists()


@pytest.mark.timeout(900)
def test_sigkill_at_ten_points_of_down(deploy: Deploy) -> None:
    chance = random.Random(8)
    deploy("up", "--profile", "poc")
    started = time.monotonic()
    deploy("down")
    whole = time.monotonic() - started
    for point in range(10):
        deploy("up", "--profile", "poc")
        deploy.kill_after(whole * (point + chance.random()) / 10, "down")
        if point % 3 == 0 and (deploy.home / "stacks" / "default" / "request.json").exists():
            deploy("up", "--profile", "poc")
        deploy("down", check=False)
        gone(deploy)


@pytest.mark.parametrize("damage", ["plan.json", "resources.json", "journal.jsonl", "ports.json", "everything"])
def test_down_of_a_damaged_stack(deploy: Deploy, damage: str) -> None:
    deploy("up", "--profile", "poc")
    folder = deploy.home / "stacks" / "default"
    names = ["plan.json", "resources.json", "journal.jsonl", "ports.json", "outputs.json"]
    for name in names if damage == "everything" else [damage]:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    assert deploy("down", "--json").json["ok"]
    gone(deploy)


def test_down_after_everything_was_killed(deploy: Deploy) -> None:
    deploy("up", "--profile", "poc")
    for pid in deploy.processes():
        os.kill(pid, signal.SIGKILL)
    assert deploy("status", "--json").json["state"] == "stopped"
    assert deploy("down", "--json").json["ok"]
    gone(deploy)


def test_up_after_everything_was_killed(deploy: Deploy) -> None:
    deploy("up", "--profile", "poc")
    for pid in deploy.processes():
        os.kill(pid, signal.SIGKILL)
    deploy("up")
    assert deploy("verify", "--json").json["ok"]


def test_a_port_that_is_taken_is_left_alone(deploy: Deploy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        number = squatter.getsockname()[1]
        folder = deploy.home / "stacks" / "default"
        folder.mkdir(parents=True, mode=0o700)
        (folder / "ports.json").write_text(json.dumps({"traefik.https": number}))
        done = deploy("up", "--profile", "poc", "--json")
        assert "was taken meanwhile" in done.err
        assert f":{number}" not in done.json["url"]


def test_a_machine_without_prometheus(deploy: Deploy, tmp_path: Path) -> None:
    bare = {"PATH": str(Path(sys.executable).parent), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    deploy.env.update(bare)
    done = deploy("up", "--profile", "poc", "--json")
    assert "prometheus is not to be had on this machine" in done.err
    report = deploy("verify", "--json").json
    assert report["ok"]
    not_tried = {check["id"] for check in report["checks"] if check["ok"] is None}
    assert "metrics.targets" in not_tried


@pytest.mark.parametrize(("options", "told"), [("size=32k", "space"), ("ro", "read-only")])
def test_a_state_folder_that_cannot_be_written(deploy: Deploy, tmp_path: Path, options: str, told: str) -> None:
    """A full disk and a read-only one, each as a mount that only this command sees."""
    (small := tmp_path / "small").mkdir()
    inner = f"mount -t tmpfs -o {options} none '{small}' && exec \"$@\""
    command = ["unshare", "-rm", "sh", "-c", inner, "sh", sys.executable, "-P", "-m", "cli"]
    environment = deploy.environment(CLOISTER_HOME=str(small / "state"), TMPDIR=str(tmp_path))
    done = subprocess.run(
        [*command, "up", "--profile", "poc", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] != "defect"
    assert told in (error["message"] + error["hint"]).lower()


@pytest.mark.timeout(300)
def test_backup_and_restore_take_a_stack_over(deploy: Deploy, tmp_path: Path) -> None:
    deploy("up", "--profile", "poc")
    token = deploy.token()
    revoked = deploy("token", "issue", "--client", "revoked", "--json").json
    deploy("token", "revoke", revoked["jti"])
    ca = Path(deploy("ca", "--json").json["ca_file"]).read_text()
    saved = tmp_path / "stack.age"
    deploy("backup", str(saved), "--passphrase-env", "WORDS", WORDS="correct horse battery staple")
    assert b"PRIVATE KEY" not in saved.read_bytes()
    deploy("down")
    other = Deploy(tmp_path / "elsewhere" / "state")
    other.home.parent.mkdir()
    wrong = other("restore", str(saved), "--passphrase-env", "WORDS", WORDS="wrong", check=False)
    assert wrong.code != 0
    other("restore", str(saved), "--passphrase-env", "WORDS", WORDS="correct horse battery staple")
    try:
        other("up")
        assert Path(other("ca", "--json").json["ca_file"]).read_text() == ca
        from tests.e2e.test_running_stack import client_of

        with client_of(other, token=token) as client:
            assert client.models.list().data
        import openai

        with client_of(other, token=revoked["token"]) as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
    finally:
        other("down", check=False)
    assert other.processes() == []


@pytest.mark.timeout(300)
def test_keys_are_rotated_and_a_backup_takes_a_running_stacks_place(deploy: Deploy, tmp_path: Path) -> None:
    from tests.e2e.test_running_stack import client_of

    deploy.env["WORDS"] = "correct horse battery staple"
    saved = tmp_path / "stack.age"
    restore = ("restore", str(saved), "--passphrase-env", "WORDS")
    deploy("up", "--profile", "poc")
    before = deploy.token()
    deploy("backup", str(saved), "--passphrase-env", "WORDS")
    rotated = deploy("token", "rotate", "--json").json
    after = deploy.token()
    for token in (after, before):
        with client_of(deploy, token=token) as client:
            assert client.models.list().data
    deploy("rotate", "cert")
    deploy("rotate", "ca")
    assert [one["what"] for one in deploy("status", "--json").json["rotations"]] == ["ca", "jwks"]
    assert "deploy rotate ca --finish" in deploy("status").out
    assert deploy("rotate", "ca", "--finish", "--now", "--json").json["state"] == "done"
    assert deploy("verify", "--json").json["ok"]
    assert deploy(*restore, check=False).code == 2
    assert deploy(*restore, "--replace", WORDS="wrong", check=False).code == 2
    assert deploy("status", "--json").json["state"] == "running"
    done = deploy(*restore, "--replace", "--json").json
    assert {"supervisor", "gateway", "traefik"} <= set(done["ended"])
    assert deploy.processes() == []
    deploy("up")
    with client_of(deploy, token=before) as client:
        assert client.models.list().data
    import openai

    with client_of(deploy, token=after) as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    again = deploy("token", "rotate", "--json").json
    assert [old["kid"] for old in again["retiring"]] == [old["kid"] for old in rotated["retiring"]]
    deploy("down")
    assert deploy.processes() == []


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
