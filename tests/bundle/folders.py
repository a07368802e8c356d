"""Small bundles: a folder with weights in safetensors, made in the test."""

from __future__ import annotations

import json
import random
from pathlib import Path

MIB = 2**20


def safetensors(size: int, seed: int = 0) -> bytes:
    """Return a safetensors file of one tensor, of about so many bytes."""
    data = random.Random(seed).randbytes(size)
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


def make(folder: Path, *, shards: int = 1, shard_bytes: int = 12 * MIB) -> Path:
    """Make a bundle's folder, without a manifest."""
    weights = folder / "weights" / "tiny"
    weights.mkdir(parents=True)
    for number in range(shards):
        (weights / f"model-{number}.safetensors").write_bytes(safetensors(shard_bytes, number))
    (weights / "config.json").write_text('{"model_type": "tiny"}')
    (folder / "wheels").mkdir()
    (folder / "wheels" / "empty-1.0-py3-none-any.whl").write_bytes(b"")
    (folder / "notes.txt").write_text("read me\n")
    return folder
