"""What `doctor` asks of this machine, and what it does not."""

from __future__ import annotations

from pathlib import Path

from lifecycle.doctor import examine
from lifecycle.home import Home
from planner.catalogue import load_catalogue


def test_what_only_hosts_run_is_not_asked_of_this_machine(tmp_path: Path) -> None:
    looked_at = {finding.what for finding in examine(Home(tmp_path))}
    artefacts = load_catalogue().artefacts
    assert "node-exporter" not in looked_at
    assert {name for name, row in artefacts.items() if not row.hosts_only} <= looked_at
