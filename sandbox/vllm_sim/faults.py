"""Faults on purpose, for tests: read from a JSON file that may change while the server runs.

Without `--fault-file` there are none and no way to ask for any. Example: `{"error_rate": 0.5, "status": 503}`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import msgspec

_log = logging.getLogger(__name__)


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong. Everything off by default.

    Attributes:
        hang: the engine stands still; requests wait, `/health` says 200.
        error_rate: share of generation requests, 0 to 1, that are answered with `status`.
        status: which error they get.
        first_token_delay_s: seconds by which each first token is late.
        abort_after_tokens: the connection is cut after so many tokens of an answer; 0 before the first.
        wrong_model: answers name this model instead of the served one.

    """

    hang: bool = False
    error_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    first_token_delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    abort_after_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    wrong_model: Annotated[str, msgspec.Meta(min_length=1)] | None = None


class FaultFile:
    """The faults of now. A file that is not there means none; a bad one is logged and the last good one kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._faults = Faults()

    def current(self) -> Faults:
        """Read the file again if it has changed."""
        if self._path is None:
            return self._faults
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._seen = seen
                self._faults = msgspec.json.decode(self._path.read_bytes(), type=Faults)
                _log.warning("faults are now %s", self._faults)
        except FileNotFoundError:
            if self._seen is not None:
                _log.warning("the fault file is gone: no faults")
            self._seen, self._faults = None, Faults()
        except (OSError, msgspec.MsgspecError) as error:
            _log.error("fault file %s cannot be used, the faults stay as they were: %s", self._path, error)
        return self._faults
