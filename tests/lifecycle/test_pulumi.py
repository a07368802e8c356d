"""What surrounds Pulumi's own engine, without it: finding the CLI, its environment, and mending its state."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation.errors import CommandError

from lifecycle.pulumi_cli import Cli
from lifecycle.pulumi_packs import staged
from lifecycle.pulumi_state import SEALED, foreseen, mend, resources_of, wait_for_engine
from lifecycle.pulumi_version import OLDEST, cli_folder, find_cli
from lifecycle.real_engine import Place
from planner.errors import DeployError, LockedError
from planner.resources import UNKNOWN
from tests.parts import require

URN = "urn:pulumi:s::p::cloister:aws:Network$aws:ec2/vpc:Vpc::{}"
VPC = "aws:ec2/vpc:Vpc"


def executable(folder: Path, text: str) -> dict[str, str]:
    path = folder / "pulumi"
    path.write_text(text)
    path.chmod(0o700)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def saying(folder: Path, version: str) -> dict[str, str]:
    return executable(folder, f'#!/bin/sh\n[ "$1" = version ] && echo "{version}"\n')


@pytest.mark.parametrize("version", ["v3.259.0", "3.272.1", "v3.300.0-alpha.1"])
def test_a_cli_that_was_tried_or_is_later_is_taken(version: str, tmp_path: Path) -> None:
    path, found = find_cli(saying(tmp_path, version))
    assert (path, str(found)) == (str(tmp_path / "pulumi"), version.removeprefix("v"))


@pytest.mark.parametrize(
    ("version", "words"),
    [("v3.258.9", "is version 3.258.9"), ("v4.0.0", "is version 4.0.0"), ("", "does not say its version")],
)
def test_another_cli_is_refused(version: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=words) as caught:
        find_cli(saying(tmp_path, version))
    assert caught.value.code == "pulumi_version"
    assert f"Install Pulumi {OLDEST}" in caught.value.hint


def test_no_cli_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="not on PATH") as caught:
        find_cli({"PATH": str(tmp_path)})
    assert caught.value.code == "pulumi_missing"
    assert "https://" in caught.value.hint


def test_a_cli_that_cannot_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="cannot be run") as caught:
        find_cli(executable(tmp_path, "#!/bin/sh\nexit 3\n"))
    assert caught.value.code == "pulumi_broken"


def test_the_environment_is_ours_alone(tmp_path: Path) -> None:
    given = {"PATH": "/usr/bin", "PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_BACKEND_URL": "s3://theirs", "TERM": "dumb"}
    place = Place(
        folder=tmp_path / "stack",
        home=tmp_path / "home",
        environment={"AWS_REGION": "us-east-2"},
        executables={"pulumi-resource-aws": "#!/bin/sh\n"},
        given=given,
    )
    environment = place.prepare()
    assert environment["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/stack/state?metadata=skip"
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment
    assert (environment["AWS_REGION"], environment["TERM"]) == ("us-east-2", "dumb")
    assert environment["PATH"] == f"{tmp_path}/stack/bin:{cli_folder(place.home)}:/usr/bin"
    assert "PULUMI_IGNORE_AMBIENT_PLUGINS" not in environment
    passphrase = Path(environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    kept = passphrase.read_text()
    assert len(kept) >= 40
    assert kept not in environment.values()
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((place.folder / "bin" / "pulumi-resource-aws").stat().st_mode) == 0o700
    assert place.prepare() == environment
    assert passphrase.read_text() == kept


def test_without_a_provider_of_ours_only_installed_ones_are_taken(tmp_path: Path) -> None:
    place = Place(folder=tmp_path / "stack", home=tmp_path / "home", environment={}, given={"PATH": "/usr/bin"})
    environment = place.prepare()
    assert environment["PULUMI_IGNORE_AMBIENT_PLUGINS"] == "true"
    assert environment["PATH"] == f"{cli_folder(place.home)}:/usr/bin"


FAKE = """#!/bin/sh
case "$1" in version) echo v3.259.0; exit;; esac
echo "args $*"; echo "home $PULUMI_HOME $GIVEN"; echo wrong >&2
exit ${STATUS:-0}
"""


def test_commands_get_our_environment_and_their_words(tmp_path: Path) -> None:
    environment = executable(tmp_path, FAKE) | {"PULUMI_HOME": "/h"}
    seen: list[str] = []
    result = Cli(environment).run(
        ["preview", "--json"], str(tmp_path), {"GIVEN": "g", "PULUMI_HOME": "/x"}, seen.append
    )
    assert result.stdout.splitlines() == ["args --non-interactive preview --json --show-sames", "home /h g"]
    assert seen == result.stdout.splitlines()
    assert result.stderr == "wrong"
    with pytest.raises(CommandError, match="wrong"):
        Cli(environment | {"STATUS": "1"}).run(["up"], str(tmp_path), {})


INTERRUPTED = """#!/bin/sh
case "$1" in version) echo v3.259.0; exit;; esac
trap 'echo in order; exit 1' INT
echo ready
while :; do sleep 0.1; done
"""


def test_an_interruption_is_passed_on_and_its_end_awaited(tmp_path: Path) -> None:
    cli, seen = Cli(executable(tmp_path, INTERRUPTED)), []

    def hear(line: str) -> None:
        seen.append(line)
        if line == "ready":
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        cli.run(["up"], str(tmp_path), {}, hear)
    assert seen == ["ready", "in order"]


# The state.


def state_of(name: str, **more: Any) -> dict[str, Any]:
    return {"urn": URN.format(name), "type": VPC, "custom": True, "id": f"vpc-{name}", "inputs": {"n": name}, **more}


def begun(name: str, op: str = "creating", **more: Any) -> dict[str, Any]:
    state = state_of(name, **more)
    if op == "creating":
        del state["id"]
    return {"type": op, "resource": state}


def test_states_become_records() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    child = state_of(
        "a",
        inputs={"tags": {"word": secret}, "later": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"},
        outputs={"arn": "arn:a"},
        parent="urn:pulumi:s::p::cloister:aws:Network::net",
        dependencies=["urn:z"],
        propertyDependencies={"vpcId": ["urn:b", "urn:z"], "other": None},
    )
    component = {
        "urn": "urn:pulumi:s::p::cloister:aws:Network::net",
        "type": "cloister:aws:Network",
        "outputs": {"vpcId": "x"},
        "parent": "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s",
    }
    theirs: list[dict[str, Any]] = [
        {"urn": "u", "type": "pulumi:pulumi:Stack"},
        {"urn": "u", "type": "pulumi:providers:aws", "custom": True},
    ]
    net, vpc = resources_of([*theirs, component, child, state_of("gone", delete=True)])
    assert (net.name, net.parent, net.outputs, net.id) == ("net", "", {}, "")
    assert (vpc.name, vpc.type, vpc.id, vpc.outputs) == ("a", VPC, "vpc-a", {"arn": "arn:a"})
    assert vpc.inputs == {"tags": {"word": SEALED}, "later": UNKNOWN}
    assert (vpc.parent, vpc.dependencies) == (component["urn"], ("urn:b", "urn:z"))


def test_what_an_interrupted_creation_left_is_taken_over_as_unfinished() -> None:
    deployment = {"resources": [state_of("a")], "pending_operations": [begun("b"), begun("c")]}
    asked: list[tuple[str, Any]] = []

    def find(token: str, inputs: Mapping[str, Any]) -> str | None:
        asked.append((token, inputs))
        return "vpc-b" if inputs == {"n": "b"} else None

    mended = mend(deployment, find)
    assert (mended.adopted, mended.forgotten) == ((URN.format("b"),), (URN.format("c"),))
    assert asked == [(VPC, {"n": "b"}), (VPC, {"n": "c"})]
    assert "pending_operations" not in deployment
    _, adopted = deployment["resources"]
    assert (adopted["id"], adopted["outputs"], adopted["urn"]) == ("vpc-b", {"n": "b"}, URN.format("b"))
    assert adopted["initErrors"]


def test_what_is_known_already_is_not_taken_over() -> None:
    other = {**state_of("x"), "type": "aws:iam/role:Role", "id": "same"}
    deployment = {"resources": [state_of("a"), other], "pending_operations": [begun("b"), begun("c")]}
    found = {"b": "vpc-a", "c": "same"}  # the first is `a`; a role of the same id is something else
    mended = mend(deployment, lambda _, inputs: found[inputs["n"]])
    assert (mended.adopted, mended.forgotten) == ((URN.format("c"),), (URN.format("b"),))


def test_the_one_that_was_to_be_replaced_is_to_be_deleted() -> None:
    deployment = {"resources": [state_of("a")], "pending_operations": [begun("a")]}
    mend(deployment, lambda *_: "vpc-new")
    assert [(one["id"], one.get("delete", False)) for one in deployment["resources"]] == [
        ("vpc-a", True),
        ("vpc-new", False),
    ]


@pytest.mark.parametrize(
    "operation",
    [
        begun("a", "updating"),
        begun("a", "deleting"),
        begun("c", custom=False),
        {"type": "creating", "resource": {"urn": "u", "type": "pulumi:providers:aws", "custom": True}},
    ],
    ids=["updating", "deleting", "component", "provider"],
)
def test_other_operations_are_forgotten(operation: dict[str, Any]) -> None:
    deployment = {"resources": [state_of("a")], "pending_operations": [operation]}

    def find(*_: Any) -> str | None:
        raise AssertionError("nothing to look for")

    assert mend(deployment, find).forgotten == (operation["resource"]["urn"],)
    assert deployment == {"resources": [state_of("a")]}


def test_locks_of_an_engine_that_has_gone_are_left_over(tmp_path: Path) -> None:
    assert not wait_for_engine(tmp_path / "locks", "file:///s")
    (tmp_path / "locks" / "stack").mkdir(parents=True)
    assert not wait_for_engine(tmp_path / "locks", "file:///s")
    (tmp_path / "locks" / "stack" / "1.json").write_text("{}")
    assert wait_for_engine(tmp_path / "locks", "file:///s")


def test_an_engine_that_still_works_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.pulumi_state.ENDS_WITHIN_S", 0.2)
    (tmp_path / "1.json").write_text("{}")
    backend = f"file://{tmp_path}"
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={"PULUMI_BACKEND_URL": backend}
    ) as process:
        with pytest.raises(LockedError, match=f"pid {process.pid}"):
            wait_for_engine(tmp_path, backend)
        process.kill()
        monkeypatch.setattr("lifecycle.pulumi_state.ENDS_WITHIN_S", 20)
        assert wait_for_engine(tmp_path, backend)  # ended, though nobody has taken note of it yet


def test_a_policy_pack_is_run_by_the_interpreter_that_is_named(tmp_path: Path) -> None:
    pack = tmp_path / "mine"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text(
        "version: 1.2.3\nruntime: {name: python, options: {virtualenv: ../.venv}}\n"
    )
    (pack / "helper.py").write_text("WORDS = 'ran'\n")
    (pack / "__main__.py").write_text("import helper\nprint(helper.WORDS, __name__)\n")
    folder = staged(pack, tmp_path / "packs", prefix="/opt/env")
    project = json.loads((folder / "PulumiPolicy.yaml").read_text())
    assert project == {"version": "1.2.3", "runtime": {"name": "python", "options": {"virtualenv": "/opt/env"}}}
    ran = subprocess.run([sys.executable, str(folder)], capture_output=True, text=True, check=True)
    assert ran.stdout == "ran __main__\n"
    with pytest.raises(FileNotFoundError):
        staged(tmp_path, tmp_path / "packs")


@pytest.mark.parametrize(("op", "found"), [("same", "vpc-1"), ("update", "vpc-1"), ("create-replacement", "")])
def test_what_a_preview_keeps_has_its_id(op: str, found: str) -> None:
    step = {"op": op, "oldState": state_of("vpc", id="vpc-1", outputs={"arn": "a"}), "newState": state_of("vpc", id="")}
    (resource,) = resources_of([foreseen(step)])
    assert resource.id == found
    assert resource.outputs == ({"arn": "a"} if found else {})


def test_a_host_that_outlived_its_engine_is_ended(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("{}")
    host = tmp_path / "pulumi-language-python"
    host.symlink_to(require("sleep"))
    backend = f"file://{tmp_path}"
    with subprocess.Popen([host, "60"], env={"PULUMI_BACKEND_URL": backend}) as process:
        assert wait_for_engine(tmp_path, backend)
        assert process.wait(timeout=20) == -signal.SIGTERM
