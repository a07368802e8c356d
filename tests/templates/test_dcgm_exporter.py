"""The exporter of GPU metrics: systemd itself judges its unit, and every alert's figures are among its counters."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from planner.catalogue import load_catalogue
from planner.gpu_metrics import PORT, gpu_metrics
from planner.services import DEFAULT_PORTS
from templates.dcgm_exporter import FOLDER, UNIT, render_dcgm_exporter
from templates.render import render
from tests.parts import require
from tests.templates.stacks import layout_below, plan_of

PLAN = plan_of("2xh200", target="aws")
UNIT_FILE = f"/etc/systemd/system/{UNIT}"


def rendered() -> dict[str, str]:
    metrics = gpu_metrics(PLAN, load_catalogue())
    assert metrics is not None
    return render_dcgm_exporter(metrics, PLAN.metrics.scrape_interval_s)


def test_it_listens_on_loopback_on_a_port_of_its_own() -> None:
    unit = rendered()[UNIT_FILE]
    assert f"--address=127.0.0.1:{PORT} " in unit
    assert "IPAddressDeny=any\nIPAddressAllow=localhost\n" in unit
    assert "CapabilityBoundingSet=\n" in unit
    assert PORT not in DEFAULT_PORTS.values()


def test_every_figure_of_an_alert_is_exported() -> None:
    rules = render(PLAN, layout_below("/stack"))["prometheus/rules/cloister.yml"]
    counters = {line.partition(",")[0] for line in rendered()[f"{FOLDER}/counters.csv"].splitlines() if line[0] != "#"}
    used = set(re.findall(r"DCGM_\w+", rules))
    assert used
    assert used <= counters
    assert all(len(line.split(", ")) == 3 for line in rendered()[f"{FOLDER}/counters.csv"].splitlines()[1:])


def test_nothing_is_watched_where_engines_are_imitated() -> None:
    assert gpu_metrics(plan_of("2xh200"), load_catalogue()) is None


@pytest.mark.slow
def test_systemd_finds_it_closed(tmp_path: Path) -> None:
    program = require("systemd-analyze")
    path = tmp_path / UNIT
    path.write_text(rendered()[UNIT_FILE])
    command = [program, "security", "--offline=true", "--threshold=20", "--json=short", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    open_ends = {row["name"] for row in json.loads(done.stdout) if row["set"] is False and row["exposure"]}
    # It listens (the first three) and opens the GPUs' devices (the next two); NVIDIA's libraries were not tried without
    # memory that is both written and run.
    assert open_ends <= {
        *("PrivateNetwork=", "RestrictAddressFamilies=~AF_(INET|INET6)", "IPAddressDeny="),
        *("PrivateDevices=", "DeviceAllow="),
        "MemoryDenyWriteExecute=",
        *("RestrictAddressFamilies=~AF_UNIX", "RestrictAddressFamilies=~AF_NETLINK"),
        "RootDirectory=/RootImage=",
    }
