"""The plugin as the engine runs it: an executable on PATH, in a process of its own, against the emulated account."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.handlers.clients import Boto3Clients
from sandbox.provider import launcher
from tests.sandbox.aws.account import Account
from tests.sandbox.provider.client import Engine, refused

VPC = "aws:ec2/vpc:Vpc"
ENDS_WITHIN_S = 20


@contextmanager
def plugin(folder: Path, account: Account, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the plugin as the engine does, with nothing of this interpreter in its environment."""
    path = folder / launcher.NAME
    path.write_text(launcher.script())
    path.chmod(launcher.MODE)
    environment = {"AWS_ENDPOINT_URL": account.url, "AWS_REGION": "us-east-2", "PYTHONPATH": "/nowhere"}
    process = subprocess.Popen(
        [launcher.NAME, *arguments],
        env={**environment, "PATH": f"{folder}:{os.environ['PATH']}"},
        executable=str(path),
        stdout=subprocess.PIPE,
        cwd=folder,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=ENDS_WITHIN_S)


def test_the_executable_serves_the_handlers(tmp_path: Path, account: Account, clients: Boto3Clients) -> None:
    (tmp_path / "sandbox.py").write_text("raise SystemExit('imported from the working folder')")
    tags = {"cloister:stack": "plugin", "cloister:resource": "vpc"}
    with plugin(tmp_path, account) as (process, port), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        engine = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
        assert engine.stub.GetPluginInfo(empty_pb2.Empty()).version[0].isdigit()
        engine.configure()
        assert engine.check(VPC, {"tags": tags, "ipv4IpamPoolId": "p", "region": "eu-north-1"}) == {
            "cidrBlock": "it needs cidrBlock",
            "ipv4IpamPoolId": "this handler does not carry out ipv4IpamPoolId",
            "region": "this provider works in us-east-2, not in eu-north-1",
        }
        inputs = {"cidrBlock": "10.7.0.0/16", "enableDnsSupport": True, "tags": tags}
        made, state = engine.create(VPC, inputs)
        assert state["arn"].endswith(made)
        (found,) = clients.client("ec2").describe_vpcs(VpcIds=[made])["Vpcs"]
        assert found["CidrBlock"] == "10.7.0.0/16"
        _, imported, _ = engine.read(VPC, made, {}, {})
        assert {name: imported[name] for name in inputs} == inputs
        assert not imported.keys() & {"arn", "id", "tagsAll"}
        assert "InvalidParameterValue" in refused(engine.create, VPC, {**inputs, "cidrBlock": "10.0.0.0/40"}).details()
        engine.delete(VPC, made, inputs)
        assert engine.read(VPC, made, inputs, state)[0] == ""
        assert engine.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == "123456789012"
        process.send_signal(signal.SIGTERM)
        assert process.wait(ENDS_WITHIN_S) == 0


@pytest.mark.slow
def test_the_plugin_ends_with_the_engine(tmp_path: Path, account: Account) -> None:
    engine = grpc.server(ThreadPoolExecutor(1))
    port = engine.add_insecure_port("127.0.0.1:0")
    engine.start()
    with plugin(tmp_path, account, f"127.0.0.1:{port}") as (process, _):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)  # an engine that lives keeps it alive
        engine.stop(None).wait()
        assert process.wait(ENDS_WITHIN_S) == 0


def test_the_plugin_listens_on_loopback_alone(tmp_path: Path, account: Account) -> None:
    with plugin(tmp_path, account) as (process, port):
        addresses = {c.laddr.ip for c in psutil.Process(process.pid).net_connections() if c.laddr.port == port}
        assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
