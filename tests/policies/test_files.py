"""Rendered files are read as their programs read them."""

from __future__ import annotations

import pytest

from policies.files import Files, UnreadableError
from policies.readers import is_loopback
from policies.rules import RULES
from policies.run import evaluate, refusals

UNIT = """\
# a comment
[Unit]
Description=x

[Service]
User=a
Environment=A=1
Environment="B=2 3"
CapabilityBoundingSet=CAP_SYS_ADMIN
CapabilityBoundingSet=
ExecStart=/bin/x --one \\
    --two
ReadWritePaths=/a /b
ReadWritePaths=/c
; another
SystemCallFilter=
SystemCallFilter=@system-service
"""


def test_a_unit_is_read_as_systemd_does() -> None:
    (unit,) = Files({"/etc/systemd/system/x.service": UNIT, "/etc/other": "["}).units()
    assert unit.name == "x.service"
    assert unit.value("User") == "a"
    assert unit.values("Environment") == ("A=1", '"B=2 3"')
    assert unit.words("CapabilityBoundingSet") == ()
    assert unit.words("AmbientCapabilities") is None
    assert unit.value("ExecStart") == "/bin/x --one --two"
    assert unit.words("ReadWritePaths") == ("/a", "/b", "/c")
    assert unit.words("SystemCallFilter") == ("@system-service",)
    assert unit.value("Description", "Unit") == "x"


@pytest.mark.parametrize("text", ["User=root\n", "[Service]\nno setting\n"])
def test_what_is_no_unit_is_refused_by_every_rule_about_units(text: str) -> None:
    with pytest.raises(UnreadableError, match=r"x\.service"):
        list(Files({"x.service": text}).units())
    rules = tuple(rule for rule in RULES if rule.id == "units-kernel")
    assert {finding.status for finding in refusals(evaluate(None, (), rules, files={"x.service": text}))} == {
        "violated"
    }


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object/apply:os.system [id]", "\t"])
def test_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match="YAML"):
        Files({"traefik/traefik.yml": text}).yaml("traefik/traefik.yml")


def test_a_file_is_found_by_its_end_wherever_it_lies() -> None:
    files = Files({"/etc/cloister/traefik/traefik.yml": "", "other/xtraefik.yml": ""})
    assert files.find("traefik/traefik.yml") == "/etc/cloister/traefik/traefik.yml"
    assert files.find("raefik.yml") is None


def test_missing_files_are_violations() -> None:
    found = evaluate(None, (), files={})
    silent = {rule.id for rule in RULES if rule.on_files} - {finding.rule for finding in refusals(found)}
    by_choice = ("alerts-", "containers-")  # a plan names no receiver, or no image
    spared = ("units-", "no-", "engine-", *by_choice)
    assert all(name.startswith(spared) or name == "prometheus-read-only" for name in silent)
    assert "routes-authenticated" not in silent


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:80", True), ("127.9.9.9:80", True), ("[::1]:80", True), ("localhost:80", True),
        ("0.0.0.0:80", False), (":80", False), ("[::]:80", False), ("10.0.0.1:80", False), ("", False), (None, False),
        ("127.0.0.1.example.test:80", False),
    ],
)  # fmt: skip
def test_loopback(address: str | None, loopback: bool) -> None:
    assert is_loopback(address) is loopback
