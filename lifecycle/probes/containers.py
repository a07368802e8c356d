"""Whether a container runs as tightly shut in as it should: what Podman says of it, held against what was planned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Image

OFF = ("unconfined", "disable")
"""How a security option ends that takes a filter away."""


def container_faults(said: dict[str, Any], image: Image) -> Iterator[str]:
    """Yield what is open, in words.

    Args:
        said: of `podman container inspect`, for this container.
        image: what it should run.

    """
    set_up, config = said.get("HostConfig", {}), said.get("Config", {})
    options = [str(one) for one in set_up.get("SecurityOpt") or []]
    digest = said.get("ImageDigest", "")
    found = {
        f"it runs another image, {digest or 'unknown'}": digest != image.digest,
        "it runs as root": str(config.get("User", "")).partition(":")[0] in {"", "0", "root"},
        "it has capabilities": bool(said.get("EffectiveCaps") or said.get("BoundingCaps")),
        "it is privileged": set_up.get("Privileged", True),
        "it may write to its image": not set_up.get("ReadonlyRootfs", False),
        "it may gain rights": not any(one.startswith("no-new-privileges") for one in options),
        "a filter around it is off": any(one.startswith("unmask") or one.endswith(OFF) for one in options),
        "it sees the host's processes": set_up.get("PidMode") == "host",
        "it shares the host's memory": set_up.get("IpcMode") == "host",
    }
    yield from (words for words, is_so in found.items() if is_so)
