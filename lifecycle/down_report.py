"""What `down` tells when it is done."""

from __future__ import annotations

import msgspec

from lifecycle.teardown_certificate import Leftover


class DownReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `down` did. `ok` means that nothing is left."""

    ok: bool
    stack: str
    leftovers: tuple[Leftover, ...]
    certificate: str
    """The certificate's file (JSON); a readable page lies beside it. Empty when there was nothing to take down."""
    seconds: float
