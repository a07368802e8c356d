"""Where the state of a stack on AWS is: chosen once, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.home import Home, StackHome
from lifecycle.pulumi_place import StateChoice, engine_folder, keep_choice, known_choice, state_choice
from planner.errors import DeployError, UsageError

BUCKET, KEY = "s3://team/cloister?region=us-east-2", "awskms://alias/team?region=us-east-2"
TEAM = StateChoice(backend=BUCKET, secrets_provider=KEY)


@pytest.fixture
def home(tmp_path: Path) -> StackHome:
    home = Home(tmp_path).stack("a")
    home.folder.mkdir(parents=True)
    return home


def test_what_is_asked_for() -> None:
    assert state_choice("", "") is None
    assert state_choice(BUCKET, KEY) == TEAM


@pytest.mark.parametrize(
    ("backend", "provider", "words"),
    [
        (BUCKET, "", "needs --secrets-provider"),
        (BUCKET, "passphrase", "needs --secrets-provider"),
        ("", KEY, "goes with --backend"),
        ("https://app.pulumi.com", KEY, "names no bucket"),
        ("s3:///path", KEY, "names no bucket"),
    ],
)
def test_what_is_no_place(backend: str, provider: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        state_choice(backend, provider)


def test_a_choice_is_kept_and_stays(home: StackHome) -> None:
    assert known_choice(home) == StateChoice()
    keep_choice(home, TEAM)
    keep_choice(home, None)
    assert known_choice(home) == TEAM
    engine_folder(home).mkdir()
    keep_choice(home, TEAM)
    with pytest.raises(UsageError, match="s3://team/cloister"):
        keep_choice(home, StateChoice(backend="s3://other", secrets_provider=KEY))


def test_a_state_is_not_moved_by_an_option(home: StackHome) -> None:
    engine_folder(home).mkdir()
    with pytest.raises(UsageError, match="in its folder already"):
        keep_choice(home, TEAM)


def test_a_choice_that_cannot_be_read_is_not_guessed(home: StackHome) -> None:
    keep_choice(home, TEAM)
    (home.folder / "state.json").write_text("{")
    with pytest.raises(DeployError) as refused:
        known_choice(home)
    assert refused.value.code == "state_unknown"
