"""What is asked of AWS before a tunnel, what OpenSSH is told, and keys that live for one command."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from lifecycle.aws.session import AwsSession
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.openssh import write_config
from lifecycle.hosts.pins import Pins, alias
from lifecycle.hosts.ssh import Login
from lifecycle.tunnel import reach as reach_module
from lifecycle.tunnel.endpoint import find_endpoint
from lifecycle.tunnel.ephemeral import EphemeralKey
from lifecycle.tunnel.reach import Entrance, NodeReach
from planner.errors import DeployError
from planner.progress import Silent
from tests.lifecycle.tunnel.standin_endpoint import ADDRESS, ENDPOINT_ID, HOST, REGION

pytestmark = pytest.mark.slow

NODE = Host(name="gpu-0", address="i-0123456789abcdef0", user="ubuntu")
FIPS = HOST.replace(".ec2-", ".fips.ec2-")
FILTERS = [
    {"Name": "instance-connect-endpoint-id", "Values": [ENDPOINT_ID]},
    {"Name": "state", "Values": ["create-complete", "update-in-progress", "update-complete", "update-failed"]},
]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    return AwsSession(REGION)


def answering(session: AwsSession, *endpoints: dict[str, Any]) -> Stubber:
    stub = Stubber(session.ec2)
    answer = {"InstanceConnectEndpoints": list(endpoints)}
    stub.add_response("describe_instance_connect_endpoints", answer, {"Filters": FILTERS})
    stub.activate()
    return stub


def test_the_endpoint_is_asked_for_by_id_and_state(session: AwsSession) -> None:
    answering(session, {"DnsName": HOST, "FipsDnsName": FIPS})
    assert find_endpoint(session, ENDPOINT_ID).host == HOST


def test_fips_is_used_where_it_is_asked_for(session: AwsSession, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(session, {"DnsName": HOST, "FipsDnsName": FIPS})
    monkeypatch.setattr(session, "setting", {"use_fips_endpoint": True}.get)
    assert find_endpoint(session, ENDPOINT_ID).host == FIPS


@pytest.mark.parametrize("endpoints", [[], [{"DnsName": ""}]])
def test_an_endpoint_that_is_not_ready_is_told(session: AwsSession, endpoints: list[dict[str, Any]]) -> None:
    answering(session, *endpoints)
    with pytest.raises(DeployError, match=ENDPOINT_ID) as error:
        find_endpoint(session, ENDPOINT_ID)
    assert error.value.code == "no_tunnel_endpoint"


def test_the_public_key_goes_right_before_each_tunnel_and_never_without(
    session: AwsSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(reach_module, "open_stream", lambda url, *_: done.append("tunnel"))
    answering(session, {"DnsName": HOST})
    key = EphemeralKey()
    wanted = {"InstanceId": NODE.address, "InstanceOSUser": "ubuntu", "SSHPublicKey": key.public}

    class Connect:
        def send_ssh_public_key(self, **asked: str) -> None:
            done.append(asked)

    session._clients["ec2-instance-connect", False] = Connect()
    entrance = Entrance(stack="s", region=REGION, endpoint_id=ENDPOINT_ID, addresses={NODE.address: ADDRESS})
    way = NodeReach(session, entrance, Silent(), public_key=key.public)
    way.dial(NODE)
    way.dial(NODE)
    assert done == [wanted, "tunnel", wanted, "tunnel"]


def test_a_key_is_ed25519_in_memory_or_in_a_file_that_goes() -> None:
    pair = EphemeralKey()
    assert pair.public.startswith("ssh-ed25519 ")
    assert EphemeralKey().public != pair.public
    with pair.as_files() as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        derived = subprocess.run(("ssh-keygen", "-y", "-f", str(path)), capture_output=True, text=True, check=True)
        assert derived.stdout.split()[:2] == pair.public.split()
        assert path.with_suffix(".pub").read_text() == pair.public + "\n"
    assert not path.parent.exists()


def test_openssh_is_led_through_our_own_program_and_told_the_pinned_key(session: AwsSession, tmp_path: Path) -> None:
    pins, pair = Pins(tmp_path / "known_hosts"), EphemeralKey()
    pins.pin((NODE,), pair.public)
    entrance = Entrance(stack="a b%", region=REGION, endpoint_id=ENDPOINT_ID, addresses={NODE.address: ADDRESS})
    way = NodeReach(session, entrance, Silent(), public_key_file=tmp_path / "key.pub")
    login = Login(pins=pins, confirm=lambda host, shown: False, key_file=tmp_path / "key", reach=way)
    config = write_config(tmp_path, Inventory(host=(NODE,)), login)
    shown = subprocess.run(("ssh", "-G", "-F", str(config), "gpu-0"), capture_output=True, text=True, check=True)
    said = dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)
    assert (said["hostname"], said["user"], said["stricthostkeychecking"]) == (NODE.address, "ubuntu", "true")
    assert (said["connecttimeout"], said["forwardagent"], said["hostkeyalias"]) == ("40", "no", alias((NODE,)))
    assert "%%" in said["proxycommand"]
    words = shlex.split(said["proxycommand"].replace("%%", "%"))
    assert words[3:] == [
        *("-P", "-m", "cli", "tunnel", "gpu-0", "--stack", "a b%"),
        *("--public-key", str(tmp_path / "key.pub")),
    ]  # fmt: skip
    assert "testing" not in config.read_text()


def test_programs_of_others_get_what_credentials_and_proxies_need_and_no_more(
    session: AwsSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("ANSIBLE_HOST_KEY_CHECKING", "False")
    entrance = Entrance(stack="s", region=REGION, endpoint_id=ENDPOINT_ID, addresses={})
    given = NodeReach(session, entrance, Silent()).environment
    assert given["AWS_ACCESS_KEY_ID"] == "testing"
    assert given["https_proxy"] == "http://proxy.test:3128"
    assert not [name for name in given if name.startswith("ANSIBLE") or name in {"PATH", "PYTHONPATH"}]
