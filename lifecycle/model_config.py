"""The `config.json` of a checkpoint of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

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
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"{file}: larger than {MAX_BYTES // 2**20} MiB: this is no model configuration",
                hint="Name the config.json that lies beside the weights, not the weights.",
            )
        values = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read: {error.strerror}", hint="--config takes a config.json or the folder it lies in."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is no JSON: {error}", hint="Fetch the file again, whole.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: is no JSON object", hint="A config.json begins with a brace.")
    return values
