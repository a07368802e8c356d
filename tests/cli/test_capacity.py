"""`deploy capacity`: nothing is bought that nobody agreed to pay."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from tests.sandbox.aws.account import REGION, Account, account
from tests.sandbox.aws.settings import lead_aws

__all__ = ["account"]

TWO_DAYS_ON = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: Account) -> Path:
    """Lead `deploy` to the emulated account, with a state folder of its own."""
    lead_aws(monkeypatch, account.url)
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def listed(account: Account) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that lists the account's reservations, whichever test made them."""
    ec2 = account.clients(REGION).client("ec2")
    return lambda: ec2.describe_capacity_reservations()["CapacityReservations"]


@pytest.fixture
def reservations(listed: Callable[[], list[dict[str, Any]]]) -> Callable[[], int]:
    """Return a function that counts the account's reservations."""
    return lambda: len(listed())


@pytest.fixture
def offering(capsys: pytest.CaptureFixture[str], home: Path, listed: Callable[[], list[dict[str, Any]]]) -> Any:
    """Return an offering that no test has bought."""
    bought = {tag["Value"] for one in listed() for tag in one.get("Tags", [])}
    return next(one for one in find(capsys) if one["id"] not in bought)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Run with --json, and return the exit code and the document."""
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def find(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    words = ("capacity", "find", "--profile", "2xh200", "--start", TWO_DAYS_ON, "--hours", "48", *arguments)
    code, report = call(capsys, *words)
    assert code == 0, report
    offerings: list[dict[str, Any]] = report["offerings"]
    return offerings


def test_find(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    found = find(capsys)
    assert {one["instance_type"] for one in found} == {"p5en.48xlarge"}
    assert all(one["end"].endswith("11:30:00Z") for one in found)
    assert float(found[0]["fee"]) == pytest.approx(41.61 * 48)
    assert (home / "offerings.json").stat().st_mode & 0o777 == 0o600
    assert find(capsys, "--max-price", "100") == []


def test_find_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["capacity", "find", "-p", "2xh200", "--start", TWO_DAYS_ON, "--hours", "48"]) == 0
    out = capsys.readouterr().out
    assert "from 30 minutes before the end" in out
    assert "11:30" in out
    assert "1997.28" in out
    assert "deploy capacity buy cbo-" in out


def test_a_blocks_life(capsys: pytest.CaptureFixture[str], reservations: Any, offering: dict[str, Any]) -> None:
    before = reservations()
    code, bought = call(capsys, "capacity", "buy", offering["id"], "--yes", "--max-price", "2000")
    assert (code, reservations() - before) == (0, 1)
    held = bought["reservation"]
    assert (held["kind"], held["state"], held["end"]) == ("capacity-block", "scheduled", offering["end"])

    code, again = call(capsys, "capacity", "buy", offering["id"], "--yes", "--max-price", "2000")
    assert (code, again["error"]["code"], reservations() - before) == (1, "already_bought", 1)

    extend = ("capacity", "extend", held["id"], "--profile", "2xh200", "--hours", "24")
    code, refused = call(capsys, *extend, "--yes")
    assert (code, refused["error"]["code"]) == (2, "no_max_price")
    code, extended = call(capsys, *extend, "--yes", "--max-price", "1000")
    assert (code, extended["payment"]) == (0, "payment-succeeded")

    code, shown = call(capsys, "capacity", "show", held["id"], "--profile", "2xh200")
    end = datetime.fromisoformat(offering["end"]) + timedelta(hours=24)
    assert (code, datetime.fromisoformat(shown["reservation"]["end"])) == (0, end)
    assert datetime.fromisoformat(shown["drain"]["reclaim_at"]) == end - timedelta(minutes=30)
    assert run(["capacity", "show", held["id"], "-p", "2xh200"]) == 0
    assert "no new requests from" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ([], 2, "no_max_price"),
        (["--yes"], 2, "no_max_price"),
        (["--max-price", "5000"], 2, "no_max_price"),
        (["--yes", "--max-price", "1997.27"], 1, "too_expensive"),
        (["--yes", "--max-price", "lots"], 2, "usage"),
        (["--yes", "--max-price", "nan"], 2, "usage"),
    ],
)
def test_nothing_is_bought_without_consent(
    capsys: pytest.CaptureFixture[str],
    reservations: Any,
    offering: dict[str, Any],
    *,
    arguments: list[str],
    code: int,
    error: str,
) -> None:
    before = reservations()
    got, refused = call(capsys, "capacity", "buy", offering["id"], *arguments)
    assert (got, refused["error"]["code"], reservations()) == (code, error, before)
    assert refused["error"]["hint"]


@pytest.mark.parametrize(
    ("typed", "bought"), [("1997.28", True), ("1997.28 USD", True), ("1997", False), ("yes", False), ("", False)]
)
def test_the_fee_is_typed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    reservations: Any,
    offering: dict[str, Any],
    *,
    typed: str,
    bought: bool,
) -> None:
    before = reservations()
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    assert run(["capacity", "buy", offering["id"]]) == (0 if bought else 1)
    captured = capsys.readouterr()
    assert reservations() - before == bought
    assert "neither cancelled nor given back" in captured.err
    assert ("reservation_id" in captured.out) == bool(bought)


def test_an_offering_that_was_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, refused = call(capsys, "capacity", "buy", "cbo-0123456789abcdef0", "--yes", "--max-price", "1")
    assert (code, refused["error"]["code"]) == (2, "unknown_offering")
    assert "deploy capacity find" in refused["error"]["hint"]


def test_an_offering_that_was_listed_long_ago(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    offering = find(capsys)[0]["id"]
    kept = json.loads((home / "offerings.json").read_text())
    old = (datetime.now(UTC) - timedelta(days=1, minutes=1)).isoformat()
    (home / "offerings.json").write_text(json.dumps([{**one, "found_at": old} for one in kept]))
    code, refused = call(capsys, "capacity", "buy", offering, "--yes", "--max-price", "5000")
    assert (code, refused["error"]["code"]) == (2, "unknown_offering")


@pytest.mark.parametrize("verb", ["find", "buy", "show"])
def test_another_account_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Path, reservations: Any, verb: str
) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('extends = "2xh200"\naws.account = "210987654321"\n')
    words = {"find": ["--profile", str(profile)], "show": ["cr-0123456789abcdef0", "--profile", str(profile)]}
    if verb == "buy":
        offering = find(capsys)[0]["id"]
        kept = json.loads((home / "offerings.json").read_text())
        (home / "offerings.json").write_text(json.dumps([{**one, "account": "210987654321"} for one in kept]))
        words["buy"] = [offering, "--yes", "--max-price", "5000"]
    before = reservations()
    code, refused = call(capsys, "capacity", verb, *words[verb])
    assert (code, refused["error"]["code"], reservations()) == (1, "wrong_account", before)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--hours", "25"], "bad_block_length"),
        (["--start", "tomorrow"], "usage"),
        (["--hours", "1"], "usage"),
    ],
)
def test_searches_that_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], error: str) -> None:
    code, refused = call(capsys, "capacity", "find", "--profile", "2xh200", *arguments)
    assert (code != 0, refused["error"]["code"]) == (True, error)


def test_a_profile_whose_machines_have_no_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    code, refused = call(capsys, "capacity", "find", "--profile", "poc")
    assert (code, refused["error"]["code"]) == (2, "no_blocks_of_type")
