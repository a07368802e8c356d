"""The process: who it answers, what it refuses, and that it stays on this machine."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.exceptions import ClientError

from sandbox.aws.isolation import is_loopback
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.account import Account, start, stop
from tests.sandbox.aws.network import code_of

ROOT = Path(__file__).parents[3]
SIGNED = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-2/{}/aws4_request, SignedHeaders=host, Signature=0"


def _ask(account: Account, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(account.url).netloc, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def test_health(account: Account) -> None:
    assert _ask(account, "GET", "/_cloister/health")[:2] == (200, "ok\n")


def test_only_loopback_listens(account: Account) -> None:
    listening = [one for one in psutil.Process(account.pid).net_connections() if one.status == psutil.CONN_LISTEN]
    assert [is_loopback(one.laddr.ip) for one in listening] == [True]


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto-api/", "/latest/meta-data/iam/security-credentials/", "/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unsigned_requests_are_refused(account: Account, method: str, path: str) -> None:
    status, text, headers = _ask(account, method, path)
    assert status == 403
    assert "Not a signed request" in text
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/moto-api/reset", "/latest/meta-data/"])
def test_motos_back_doors_are_shut(account: Account, clients: Boto3Clients, path: str) -> None:
    """A signature takes nothing: any will do."""
    vpcs = clients.client("ec2").describe_vpcs()["Vpcs"]
    assert _ask(account, "POST", path, Authorization=SIGNED.format("ec2"))[0] == 403
    assert clients.client("ec2").describe_vpcs()["Vpcs"] == vpcs


@pytest.mark.parametrize("service", ["lambda", "sns", "sqs", "batch"])
def test_services_that_the_account_does_not_have_are_refused(account: Account, service: str) -> None:
    """Some of them would have moto call other machines, or start containers."""
    status, text, _ = _ask(account, "GET", "/", Authorization=SIGNED.format(service))
    assert status == 403
    assert "a service of this account: " in text
    assert f" {service}," not in text


@pytest.mark.parametrize("host", ["account.example.com", "10.0.0.1", "127.0.0.1.example.com", ""])
def test_other_host_names_are_refused(account: Account, host: str) -> None:
    """A page in a browser can have its own name point here."""
    assert _ask(account, "GET", "/_cloister/health", Host=host)[0] == 421


def test_answers_carry_no_permission_for_browsers(account: Account) -> None:
    body = "Action=DescribeVpcs&Version=2016-11-15"
    kind = "application/x-www-form-urlencoded"
    origin = "https://page.example.com"
    status, _, headers = _ask(
        account, "POST", "/", body, Authorization=SIGNED.format("ec2"), Content_Type=kind, Origin=origin
    )
    assert status == 200
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_what_moto_lacks_is_said_in_awss_own_form(clients: Boto3Clients) -> None:
    with pytest.raises(ClientError) as refusal:
        clients.client("ec2").get_console_screenshot(InstanceId="i-1")
    assert code_of(refusal.value) == "NotImplemented"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert refusal.value.response["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_it_listens_nowhere_else(host: str) -> None:
    command = [sys.executable, "-m", "sandbox.aws", "--host", host, "--port", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "loopback only" in done.stderr


def test_a_port_that_is_taken_is_known_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        started = time.monotonic()
        command = [sys.executable, "-m", "sandbox.aws", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 10


def test_the_process_can_reach_no_other_machine() -> None:
    code = (
        "import socket\n"
        "from sandbox.aws.isolation import stay_on_this_machine\n"
        "stay_on_this_machine()\n"
        "refused = 0\n"
        "for attempt in (lambda: socket.create_connection(('192.0.2.1', 80), 1),\n"
        "                lambda: socket.getaddrinfo('example.com', 80),\n"
        "                lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))):\n"
        "    try:\n"
        "        attempt()\n"
        "    except PermissionError:\n"
        "        refused += 1\n"
        "with socket.create_server(('127.0.0.1', 0)) as server:\n"
        "    socket.create_connection(server.getsockname()).close()\n"
        "print(refused)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=ROOT, check=True
    )
    assert done.stdout == "3\n"


def test_many_threads_see_one_account(clients: Boto3Clients) -> None:
    ec2 = clients.client("ec2")

    def live(number: int) -> bool:
        name = f"crowd-{number}"
        ec2.create_placement_group(GroupName=name, Strategy="cluster")
        vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        seen = bool(ec2.describe_placement_groups(GroupNames=[name])["PlacementGroups"][0]["GroupName"] == name)
        ec2.delete_placement_group(GroupName=name)
        ec2.delete_vpc(VpcId=vpc_id)
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(live, range(24)))
    assert (
        ec2.describe_placement_groups(Filters=[{"Name": "group-name", "Values": ["crowd-*"]}])["PlacementGroups"] == []
    )


def test_regions_are_separate(account: Account, clients: Boto3Clients) -> None:
    clients.client("ec2").create_placement_group(GroupName="here", Strategy="cluster")
    there: Any = account.clients("eu-north-1").client("ec2")
    assert there.describe_placement_groups()["PlacementGroups"] == []
    clients.client("ec2").delete_placement_group(GroupName="here")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told(how: signal.Signals, tmp_path: Path) -> None:
    running, process = start(tmp_path / "log")
    try:
        os.kill(running.pid, how)
        assert process.wait(timeout=10) in {0, 128 + signal.SIGINT}
    finally:
        stop(process)
    assert "Traceback" not in running.log.read_text()


def test_no_first_call_is_slow(account: Account) -> None:
    """Everything was loaded before the account said that it is ready."""
    log = account.log.read_text()
    loading, _, _ = log.partition("ready on")
    for service in ("ec2", "iam", "kms", "logs", "secretsmanager", "servicequotas", "ssm", "sts", "tagging"):
        assert f"us-east-2 {service} " in loading
