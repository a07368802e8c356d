"""Weights come from a server that speaks as the hub does: of one commit, safe, whole, and held to its digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lifecycle.home import Home
from lifecycle.weights import RECORD, WeightsError, fetch, folder_of, verify
from planner.catalogue import load_catalogue
from planner.errors import UsageError
from planner.progress import Silent
from tests.bundle.folders import MIB, safetensors
from tests.bundle.hub import COMMIT, Hub

MODEL = "gpt-oss-20b"
REPOSITORY = load_catalogue().models[MODEL].hub
WANTED = {
    "LICENSE": b"Apache License\n",
    "config.json": b'{"model_type": "gpt_oss"}',
    "model-00001-of-00002.safetensors": safetensors(3 * MIB, 1),
    "model-00002-of-00002.safetensors": safetensors(3 * MIB, 2),
    "tokenizer.json": b"{}",
}
UNWANTED = {
    "original/model.safetensors": safetensors(1000, 3),
    "pytorch_model.bin": b"\x80\x04pickle",
    "modeling.py": b"print('run me')",
    ".gitattributes": b"",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with Hub(REPOSITORY, {**WANTED, **UNWANTED}) as running:
        yield running


def files_in(folder: Path) -> dict[str, bytes]:
    inside = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != ".cache")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in inside if path.name != RECORD}


def test_a_model_is_fetched_of_one_commit_without_what_runs_code(hub: Hub, home: Home) -> None:
    report = fetch(home, MODEL, Silent(), endpoint=hub.url)
    assert report.revision == COMMIT
    assert files_in(folder_of(home, MODEL)) == WANTED
    got = {path for method, path, _ in hub.asked if method == "GET" and "/resolve/" in path}
    assert got
    assert all(f"/resolve/{COMMIT}/" in path for path in got)
    assert verify(home, folder_of(home, MODEL), Silent()).ok
    before = len(got)
    fetch(home, MODEL, Silent(), endpoint=hub.url)
    assert sum(method == "GET" and "/resolve/" in path for method, path, _ in hub.asked) == before
    asked = [path for _, path, _ in hub.asked if path.startswith("/api/")]
    assert asked[-1].endswith(f"/revision/{COMMIT}")  # the commit of the folder, whatever `main` is now


def test_an_interrupted_fetch_goes_on_within_the_file(hub: Hub, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files = {"model.safetensors": safetensors(24 * MIB)}
    hub.cut_after = 16 * MIB  # the library writes in pieces of 10 MiB
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 2)
    try:
        fetch(home, MODEL, Silent(), endpoint=hub.url)
    except WeightsError:
        fetch(home, MODEL, Silent(), endpoint=hub.url)
    assert any(spans for _, path, spans in hub.asked if path.endswith(".safetensors"))
    assert files_in(folder_of(home, MODEL)) == hub.files


def test_what_came_otherwise_than_the_hub_says_is_removed(hub: Hub, home: Home) -> None:
    name = "model-00001-of-00002.safetensors"
    hub.served[name] = safetensors(3 * MIB, 7)
    with pytest.raises(WeightsError, match=name) as wrong:
        fetch(home, MODEL, Silent(), endpoint=hub.url)
    assert wrong.value.code == "weights_wrong"
    assert name not in files_in(folder_of(home, MODEL))
    del hub.served[name]
    fetch(home, MODEL, Silent(), endpoint=hub.url)
    assert verify(home, folder_of(home, MODEL), Silent()).ok


def test_a_small_file_is_checked_as_well(hub: Hub, home: Home) -> None:
    hub.served["config.json"] = b'{"model_type": "another"}'
    with pytest.raises(WeightsError, match=r"config\.json"):
        fetch(home, MODEL, Silent(), endpoint=hub.url)


def test_a_gated_model_takes_a_token_from_the_environment(
    hub: Hub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_of_the_test"
    with pytest.raises(WeightsError, match="gated") as gated:
        fetch(home, MODEL, Silent(), endpoint=hub.url)
    assert "HF_TOKEN" in gated.value.hint
    monkeypatch.setenv("HF_TOKEN", hub.token)
    fetch(home, MODEL, Silent(), endpoint=hub.url)
    written = [path for path in home.root.rglob("*") if path.is_file() and hub.token.encode() in path.read_bytes()]
    assert written == []


def test_a_licence_with_conditions_is_shown_and_must_be_accepted_by_name(hub: Hub, home: Home) -> None:
    model = next(row for row in load_catalogue().models.values() if row.licence == "Llama-3.3-Community")
    hub.repository = model.hub
    with pytest.raises(UsageError, match="700 million") as refused:
        fetch(home, model.name, Silent(), endpoint=hub.url)
    assert "--accept-licence Llama-3.3-Community" in refused.value.hint
    assert hub.asked == []
    with pytest.raises(UsageError):
        fetch(home, model.name, Silent(), endpoint=hub.url, accepted="MIT")
    fetch(home, model.name, Silent(), endpoint=hub.url, accepted="Llama-3.3-Community")


def test_a_repository_without_safetensors_is_refused(hub: Hub, home: Home) -> None:
    hub.files = dict(UNWANTED)
    with pytest.raises(WeightsError, match="no weights in safetensors"):
        fetch(home, MODEL, Silent(), endpoint=hub.url)


def test_a_revision_that_is_not_there_is_told(hub: Hub, home: Home) -> None:
    with pytest.raises(WeightsError, match=REPOSITORY):
        fetch(home, MODEL, Silent(), endpoint=hub.url, revision="none")


def test_verify_names_what_differs(hub: Hub, home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    fetch(home, MODEL, Silent(), endpoint=hub.url, folder=folder)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").unlink()
    (folder / "extra.json").write_text("{}")
    report = verify(home, folder, Silent())
    assert (report.ok, report.changed, report.missing, report.extra) == (
        False,
        ("config.json",),
        ("tokenizer.json",),
        ("extra.json",),
    )
    with pytest.raises(WeightsError, match=RECORD):
        verify(home, tmp_path, Silent())
