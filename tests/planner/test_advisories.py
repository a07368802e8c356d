"""Which versions an advisory is about."""

from __future__ import annotations

import datetime as dt

import pytest

from planner.advisories import Advisory, affects, load_advisories, version_of


def advisory(**fields: tuple[str, ...] | str) -> Advisory:
    return Advisory(
        id="X", program="p", what="w", severity="low", source="nowhere", as_of=dt.date(2026, 1, 1), verified=False,
        **fields,  # type: ignore[arg-type]  # a test's shorthand
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "version", "affected"),
    [
        ({"since": "0.3.0", "fixed": ("0.22.0",)}, "0.2.9", False),
        ({"since": "0.3.0", "fixed": ("0.22.0",)}, "0.3.0", True),
        ({"since": "0.3.0", "fixed": ("0.22.0",)}, "0.21.9", True),
        ({"since": "0.3.0", "fixed": ("0.22.0",)}, "0.22.0", False),
        ({"since": "0.3.0", "fixed": ("0.22.0",)}, "0.22", True),
        ({"fixed": ("2.11.48", "3.6.19", "3.7.3")}, "2.11.48", False),
        ({"fixed": ("2.11.48", "3.6.19", "3.7.3")}, "2.11.47", True),
        ({"fixed": ("2.11.48", "3.6.19", "3.7.3")}, "3.5.99", True),
        ({"fixed": ("2.11.48", "3.6.19", "3.7.3")}, "3.6.20", False),
        ({"fixed": ("2.11.48", "3.6.19", "3.7.3")}, "3.7.2", True),
        ({"fixed": ("2.11.48", "3.6.19", "3.7.3")}, "3.8.0", False),
        ({"only": ("0.19.0",)}, "0.19.0", True),
        ({"only": ("0.19.0",)}, "0.19.1", False),
    ],
)
def test_versions(fields: dict[str, tuple[str, ...] | str], version: str, affected: bool) -> None:
    numbers = version_of(version)
    assert numbers is not None
    assert affects(advisory(**fields), numbers) is affected


@pytest.mark.parametrize("text", ["latest", "", "1.x", "1.2.3rc1", "v1.2", "\u0661.\u0662"])
def test_what_is_no_version(text: str) -> None:
    assert version_of(text) is None


def test_the_table_is_sound() -> None:
    table = load_advisories()
    assert {row.program for row in table.advisory} == {"vllm", "traefik"}
    assert len({row.id for row in table.advisory}) == len(table.advisory)
    for row in table.advisory:
        assert row.fixed or row.only
        assert all(version_of(text) for text in (*row.fixed, *row.only, *([row.since] if row.since else [])))
