"""The `config.json` of a checkpoint of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from lifecycle import files
from planner.architecture import ConfigError
from planner.profile import ModelSection

MAX_BYTES = 8 * 2**20
"""A configuration takes kilobytes; one with a list of thousands of modules a few hundred."""
QUANTIZATION_FILE = "hf_quant_config.json"
"""Where NVIDIA's checkpoints describe their quantisation, beside `config.json`."""


def config_of(section: ModelSection) -> dict[str, Any] | None:
    """Return the content of the file that a profile's `model.config` names; None where it names none.

    Raises:
        ConfigError: it cannot be read, or is no JSON object.

    """
    return read_config(Path(section.config).expanduser()) if section.config else None


def read_config(path: Path) -> dict[str, Any]:
    """Read a `config.json`, or the one in a folder, with the quantisation that a file beside it may describe.

    Raises:
        ConfigError: it cannot be read, or is no JSON object.

    """
    file = path / "config.json" if path.is_dir() else path
    values = _object(file)
    beside = file.with_name(QUANTIZATION_FILE)
    if "quantization_config" not in values and beside.is_file():
        described = _object(beside).get("quantization")
        if isinstance(described, dict):
            values["quantization_config"] = {"quant_method": "modelopt", **described}
    return values


def _object(file: Path) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(files.read_text(file, MAX_BYTES))
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read: {error.strerror}",
            hint="--config takes the config.json beside the weights, or the folder.",
        ) from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{file}: is no JSON: {error}", hint="Fetch the file again, whole.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: is no JSON object", hint="A config.json begins with a brace.")
    return values
