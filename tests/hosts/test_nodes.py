"""Nodes in AWS become an endpoint: a booted host stands for one, behind the tunnel, with its bundle on its disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from lifecycle import files
from lifecycle.audit import read_files
from lifecycle.configure import configure_nodes
from lifecycle.home import Home
from lifecycle.hosts.fit import plan_for_a_host
from lifecycle.logs import lines_of
from lifecycle.own_token import own_token
from lifecycle.profiles import load_profile
from lifecycle.served_hosts import served_hosts
from lifecycle.verify_metal import check_hosts
from planner.catalogue import load_catalogue
from planner.contents import contents_of
from planner.errors import DeployError
from planner.outputs import Outputs
from planner.plan import Plan, to_json
from planner.progress import Silent
from planner.secrets import secret_id
from planner.tags import STACK_TAG
from policies.exposure.listeners import listeners_of
from tests.hosts.bundles import bundle
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import PROFILE
from tests.hosts.test_tunnel import Heard, Stage, machine, site  # noqa: F401 - fixtures
from tests.lifecycle.tunnel.standin_account import EC2
from tests.lifecycle.tunnel.standin_endpoint import ADDRESS

pytestmark = [pytest.mark.timeout(420)]

UNIT = """
[Unit]
Description=What user data makes on a node, which fetches the bundle

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c 'test -e %STORE%/bundles/%ID%/manifest.json || { echo "403 for the manifest"; exit 75; }'
Restart=on-failure
RestartSec=1
"""


@pytest.fixture(scope="module")
def lab(can_boot: None) -> Iterator[Lab]:
    """One lab for all tests here."""
    with Lab() as lab:
        yield lab


class Vault:
    """A STAND-IN for Secrets Manager's entries of a stack."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.values: dict[str, str] = {}

    def describe(self, body: str) -> str:
        entry = json.loads(body)["SecretId"]
        assert entry in {secret_id(self.stack, "engine-api-key"), secret_id(self.stack, "tls-key")}
        arn = f"arn:aws:secretsmanager:us-east-2:123456789012:secret:{entry}"
        return json.dumps(
            {"ARN": arn, "Name": entry, "KmsKeyId": "key", "Tags": [{"Key": STACK_TAG, "Value": self.stack}]}
        )

    def put(self, body: str) -> str:
        asked = json.loads(body)
        self.values[asked["SecretId"].rpartition("/")[2]] = asked["SecretBinary"]
        return json.dumps({"VersionStages": ["AWSCURRENT"], "VersionId": asked["ClientRequestToken"]})


def account_knows(vault: Vault) -> dict[str, Callable[[str], str]]:
    """Return the answers of an account that knows a stack's network and its secrets."""
    vpc = "<item><vpcId>vpc-1</vpcId><cidrBlockAssociationSet><item><cidrBlock>10.0.0.0/16</cidrBlock></item>"
    vpcs = f"<vpcSet>{vpc}</cidrBlockAssociationSet></item></vpcSet>"
    lists = "<prefixListSet><item><cidrSet><item>52.219.80.0/20</item></cidrSet></item></prefixListSet>"
    return {
        "ec2:DescribeVpcs": lambda _: f'<DescribeVpcsResponse xmlns="{EC2}">{vpcs}</DescribeVpcsResponse>',
        "ec2:DescribePrefixLists": lambda _: (
            f'<DescribePrefixListsResponse xmlns="{EC2}">{lists}</DescribePrefixListsResponse>'
        ),
        "secretsmanager:DescribeSecret": vault.describe,
        "secretsmanager:PutSecretValue": vault.put,
    }


@pytest.fixture
def node(site: Stage) -> Stage:  # noqa: F811 - the fixture itself
    """The stage, with an account that knows its network and secrets, and a plan whose engine is imitated."""
    site.account.further |= account_knows(Vault("team"))
    return site


def plan_of(stage: Stage, folder: Path) -> Plan:
    """Return the stack's plan, with services that a host without GPUs can run."""
    (folder / "lab.toml").write_text(PROFILE.format(max_in_flight=64))
    imitated = plan_for_a_host(load_profile(str(folder / "lab.toml")))
    plan = stage.stack.plan
    return msgspec.structs.replace(
        plan,
        services=imitated.services,
        engine=imitated.engine,
        model=imitated.model,
        gateway=imitated.gateway,
        network=msgspec.structs.replace(plan.network, client_cidrs=("10.213.0.0/24",)),
    )


def keep(stage: Stage, plan: Plan) -> None:
    place = Home(stage.home).stack("team")
    place.create()
    files.write(place.plan, to_json(plan))


def run(stage: Stage, heard: Heard) -> tuple[str, ...]:
    stack = stage.stack
    outputs = msgspec.json.decode(stack.home.outputs.read_bytes(), type=Outputs)
    return configure_nodes(stack, outputs, heard)


def give_bundle(machine: Machine, plan: Plan, folder: Path) -> None:  # noqa: F811 - not the fixture
    """Have the node's disk hold the bundle, as its user data does."""
    shutil.copytree(folder, machine.root / plan.bundle.store.lstrip("/") / "bundles" / plan.bundle.id)


def test_a_node_becomes_an_endpoint(node: Stage, tmp_path: Path) -> None:
    heard, plan = Heard(), plan_of(node, tmp_path)
    with pytest.raises(DeployError, match="names no bundle") as refused:
        run(node, heard)
    assert refused.value.code == "not_configured"

    made = bundle(tmp_path / "bundle", "bookworm", contents=contents_of(plan, load_catalogue()))
    plan = msgspec.structs.replace(plan, bundle=msgspec.structs.replace(plan.bundle, id=made))
    keep(node, plan)
    text = UNIT.replace("%STORE%", plan.bundle.store).replace("%ID%", made)
    (node.machine.root / "etc/systemd/system/cloister-bundle.service").write_text(text)
    node.machine.run("systemctl", "daemon-reload")
    node.machine.run("systemctl", "start", "--no-block", "cloister-bundle.service")
    give_bundle(node.machine, plan, tmp_path / "bundle")

    assert run(node, heard) == (plan.model.served_name,)
    assert node.endpoint.refusals == []
    listening = [line for line in node.machine.run("ss", "-Htln").stdout.splitlines() if line]
    ours = ("127.0.0.1:", "[::1]:", "127.0.0.53", ":22 ", f"{ADDRESS}:443 ")
    assert not [line for line in listening if not any(at in line for at in ours)]
    with served_hosts(node.stack, heard) as hosts:
        assert hosts is not None
        checks = list(check_hosts(hosts, lambda: own_token(node.stack, "verify", 300), Silent()))
    assert len(checks) > 30
    assert [check for check in checks if check.ok is False] == []
    assert list(lines_of(node.stack, "gateway", 20))
    audited, files_of = read_files(node.stack, Silent())
    (read,) = files_of.values()
    assert [host.name for host in audited.hosts] == list(files_of)
    assert (read.unread, read.strangers, read.bundle) == ((), (), made)
    assert {listener.port for listener in listeners_of(audited, read.files) if listener.beyond} == {443}

    before = invocations(node.machine)
    assert run(node, heard) == (plan.model.served_name,)
    assert invocations(node.machine) == before


def invocations(of: Machine) -> str:
    """Return an id of each service's last start."""
    return of.run("systemctl", "show", "--property=Id,InvocationID", "cloister-*.service").stdout
