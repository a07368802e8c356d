"""What `doctor` asks of this machine, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.doctor import DoctorFinding, examine
from lifecycle.home import Home
from planner.catalogue import load_catalogue


def test_what_only_hosts_run_is_not_asked_of_this_machine(tmp_path: Path) -> None:
    looked_at = {finding.what for finding in examine(Home(tmp_path))}
    artefacts = load_catalogue().artefacts
    assert "node-exporter" not in looked_at
    assert {name for name, row in artefacts.items() if not row.hosts_only} <= looked_at


def test_who_makes_bundles_with_images_is_told_of_skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> DoctorFinding:
        return next(finding for finding in examine(Home(tmp_path)) if finding.what == "skopeo")

    monkeypatch.setenv("PATH", str(tmp_path))
    assert (found().ok, found().needed) == (False, False)
    assert "package skopeo" in found().detail
    (tmp_path / "skopeo").write_text("#!/bin/sh\n")
    (tmp_path / "skopeo").chmod(0o755)
    assert (found().ok, str(tmp_path) in found().detail) == (True, True)
