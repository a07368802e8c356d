"""boto3 clients: the account they are told, and nothing else of the person's AWS settings."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.account import Account


def test_a_persons_own_settings_have_no_say(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:1\n")
    for name, value in {
        "AWS_PROFILE": "missing",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "AKIAREALKEY",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    sts = account.clients().client("sts")
    assert sts.get_caller_identity()["Account"] == "123456789012"
    assert sts.meta.endpoint_url == account.url
    assert sts._request_signer._credentials.access_key == "emulated"


def test_one_client_for_all_threads(account: Account) -> None:
    clients = account.clients()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: clients.client("sts"), range(32)))
    assert len({id(client) for client in made}) == 1


def test_importing_the_registry_does_not_import_boto3() -> None:
    code = "import sys, sandbox.handlers.registry, sandbox.handlers.invokes; sys.exit('boto3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[3])


def test_clients_can_be_made_ahead(account: Account) -> None:
    clients = Boto3Clients(account.url, "us-east-2")
    clients.warm(("ec2", "sts"))
    assert set(clients._clients) == {"ec2", "sts"}
