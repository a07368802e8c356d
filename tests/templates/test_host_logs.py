"""Records leave a host for the groups that the stack makes and the node's role may write, and for no others."""

from __future__ import annotations

import configparser
import fnmatch
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.account import Account
from stacks.arns import log_streams
from templates.host_logs import render_host_logs
from tests.templates.stacks import plan_of

PLAN = plan_of("2xh200")
FILES = render_host_logs(PLAN, "node-0")
CONFIG = "/etc/cloister-logs/fluent-bit.yaml"


def parts(kind: str) -> dict[str, dict[str, Any]]:
    """Return inputs or outputs by the kind of record they are for."""
    found = yaml.safe_load(FILES[CONFIG])["pipeline"][kind]
    return {one["tag" if kind == "inputs" else "match"]: one for one in found}


def test_every_kind_of_record_is_read_and_sent_once() -> None:
    assert parts("inputs").keys() == parts("outputs").keys() == {"audit", "sshd", "gateway", "admin"}


def test_records_go_where_the_role_lets_them_and_groups_are_not_made_here() -> None:
    account = Account(id="123456789012", partition="aws", dns_suffix="amazonaws.com", region="us-east-2")
    allowed = log_streams(PLAN, account)
    for output in parts("outputs").values():
        stream = f"{output['log_group_name']}:log-stream:{output['log_stream_name']}"
        arn = f"arn:aws:logs:us-east-2:123456789012:log-group:{stream}"
        assert any(fnmatch.fnmatchcase(arn, pattern) for pattern in allowed), arn
        assert output["auto_create_group"] is False
        assert output["region"] == "us-east-2"


def test_nothing_is_given_up_and_nothing_is_read_twice() -> None:
    for name, one in parts("inputs").items():
        assert one["storage.type"] == "filesystem"
        assert one["db"] == f"/var/lib/cloister-logs/{name}.db"
    assert {one["retry_limit"] for one in parts("outputs").values()} == {"no_limits"}


def test_only_fields_that_nobody_can_forge_choose_entries_and_no_prompt_is_among_them() -> None:
    matches = [match for one in parts("inputs").values() for match in one.get("systemd_filter", [])]
    assert matches
    assert all(match.startswith("_") for match in matches)
    assert not [match for match in matches if "engine" in match or "vllm" in match]


def test_the_unit_has_no_privilege_and_finds_the_configuration() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    unit.read_string(FILES["/etc/systemd/system/cloister-logs.service"])
    service = dict(unit["Service"])
    assert service["ExecStart"].endswith(f"--config={CONFIG}")
    assert (service["User"], service["CapabilityBoundingSet"], service["NoNewPrivileges"]) == (
        "cloister-logs",
        "",
        "yes",
    )
    assert service["ProtectSystem"] == "strict"


def test_a_node_that_is_not_there_has_no_files() -> None:
    with pytest.raises(KeyError):
        render_host_logs(PLAN, "node-9")


@pytest.mark.skipif(shutil.which("fluent-bit") is None, reason="no fluent-bit on PATH")
def test_fluent_bit_takes_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "fluent-bit.yaml"
    path.write_text(render_host_logs(PLAN, "node-0", state=str(tmp_path))[CONFIG], encoding="utf-8")
    command = ["fluent-bit", "--dry-run", f"--config={path}"]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert tried.returncode == 0, tried.stderr
