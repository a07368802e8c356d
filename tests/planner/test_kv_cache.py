"""The cache's block arithmetic, against what vLLM's own code answers."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from planner.architecture import read_architecture
from planner.catalogue import load_catalogue
from planner.kv_cache import CacheRequest, pipeline_stages, plan_cache
from planner.units import GIB

RECORDED = Path(__file__).parent / "cases" / "kv_cache" / "vllm-0.33.0.tsv"


def recorded() -> list[dict[str, str]]:
    lines = (line for line in RECORDED.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return list(csv.DictReader(lines, delimiter="\t"))


@pytest.mark.parametrize("row", recorded(), ids=lambda row: "-".join(list(row.values())[:9]))
def test_as_vllm_counts(row: dict[str, str]) -> None:
    """To the block, the token and the last digit of the concurrency."""
    model = read_architecture(load_catalogue().model(row["model"]).config)
    names = ("tp", "pp", "number_bytes", "block", "max_len", "batched_tokens", "extra_layers")
    plan = plan_cache(model, msgspec.convert({name: int(row[name]) for name in names}, CacheRequest))
    blocks = plan.blocks(int(float(row["cache_gib"]) * GIB))
    assert (blocks, plan.tokens(blocks), plan.concurrency(blocks)) == (
        int(row["blocks"]),
        int(row["tokens"]),
        float(row["concurrency"]),
    )


def test_recording_covers_what_differs() -> None:
    rows = recorded()
    assert len(rows) >= 100
    assert {row["pp"] for row in rows} == {"1", "2", "3"}
    assert {row["extra_layers"] for row in rows} == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("layers", "stages", "sizes"),
    [(94, 3, [31, 32, 31]), (61, 2, [31, 30]), (80, 4, [20] * 4), (7, 4, [2, 2, 2, 1]), (3, 1, [3])],
)
def test_layers_of_stages(layers: int, stages: int, sizes: list[int]) -> None:
    assert [end - first for first, end in pipeline_stages(layers, stages)] == sizes
