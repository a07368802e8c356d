"""`python -m gateway.reclaim`: asks whether AWS takes this host away, and has the gateway drained before it does.

Three causes are known: the interruption notice of a spot instance (two minutes ahead), a maintenance event that stops
or restarts the host, and the end of a Capacity Block, which the metadata service does not tell and a file does.
Sources: EC2 user guide, "Spot Instance interruption notices" (which also says to look every five seconds) and
"Scheduled events for your instances"; the times of a block are `planner.capacity.drain`'s.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

METADATA = "http://169.254.169.254"
LOOK_EVERY_S = 5.0
TIMEOUT_S = 2.0
TOKEN_LIVES_S = 300
EVENT_AHEAD_S = 120.0
"""So long before a maintenance event may begin, requests are no longer taken: as with a spot instance."""
EVENT_LASTS_S = 900.0
"""So long after a maintenance event could have begun it is no longer waited for: its window may be hours long."""
DISRUPTIVE = ("instance-reboot", "instance-retirement", "instance-stop", "system-maintenance", "system-reboot")
"""Codes of scheduled events: each of them interrupts the instance."""
MOST_BYTES = 65536

log = logging.getLogger("gateway.reclaim")


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """That the host is taken away."""

    reason: str
    at: datetime


class BlockTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `--block-times`, in UTC: when a Capacity Block's node is left."""

    stop_taking_at: datetime
    reclaim_at: datetime


class UnansweredError(Exception):
    """A server on this host, or the metadata service, gives no answer that can be used."""


class Metadata:
    """The instance metadata service, version 2 alone: every question carries a token that was asked for with PUT."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token = ""
        self._token_until = 0.0

    def read(self, path: str) -> bytes | None:
        """Return what there is at a path below `/latest/meta-data/`, or None.

        Raises:
            UnansweredError: the service does not answer.

        """
        status, body = self._ask(path)
        if status == 401:  # the token is not taken any more
            self._token_until = 0.0
            status, body = self._ask(path)
        if status == 404:
            return None
        if status != 200:
            raise UnansweredError(f"{path}: HTTP {status}")
        return body

    def _ask(self, path: str) -> tuple[int, bytes]:
        if time.monotonic() >= self._token_until:
            lives = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_LIVES_S)}
            status, body = ask(self._url, "PUT", "/latest/api/token", headers=lives)
            if status != 200:
                raise UnansweredError(f"no token: HTTP {status}")
            self._token = body.decode("ascii", "replace").strip()
            self._token_until = time.monotonic() + TOKEN_LIVES_S / 2
        return ask(self._url, "GET", f"/latest/meta-data/{path}", headers={"X-aws-ec2-metadata-token": self._token})


def ask(
    url: str, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[int, bytes]:
    """Return status and body of an answer; no proxy is asked and no redirect followed.

    Raises:
        UnansweredError: there is none.

    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise UnansweredError(f"{url}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()


def spot_notice(answer: bytes | None) -> Notice | None:
    """Read `spot/instance-action`, which is there from two minutes before a spot instance is taken.

    Raises:
        ValueError: it is something else.

    """
    if answer is None:
        return None
    said = _object(json.loads(answer))
    return Notice(reason="spot-interruption", at=_moment(said["time"]))


def maintenance_notice(answer: bytes | None, now: datetime) -> Notice | None:
    """Read `events/maintenance/scheduled`: the first event that is due, if one is.

    Raises:
        ValueError: it is something else.

    """
    due = []
    for event in _list(json.loads(answer)) if answer else []:
        said = _object(event)
        if said.get("State") == "active" and said.get("Code") in DISRUPTIVE:
            begins = datetime.strptime(said["NotBefore"], "%d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
            if -EVENT_LASTS_S <= (begins - now).total_seconds() <= EVENT_AHEAD_S:
                due.append(begins)
    return Notice(reason="host-maintenance", at=min(due)) if due else None


def block_notice(times: BlockTimes, now: datetime) -> Notice | None:
    """Say whether a Capacity Block's last requests have been taken."""
    return Notice(reason="capacity-block-end", at=times.reclaim_at) if now >= times.stop_taking_at else None


class Watch:
    """Looks for every cause, and has the gateway drained for the first one to come."""

    def __init__(self, metadata: Metadata, gateway: str, block_times: Path | None) -> None:
        self._metadata = metadata
        self._gateway = gateway
        self._block_times = block_times
        self._draining = False
        self._failing: dict[str, str] = {}

    def look(self, now: datetime) -> Notice | None:
        """Look once, and tell the gateway; return what stands."""
        sources: dict[str, Callable[[], Notice | None]] = {
            "spot notice": lambda: spot_notice(self._metadata.read("spot/instance-action")),
            "maintenance": lambda: maintenance_notice(self._metadata.read("events/maintenance/scheduled"), now),
            "block's end": lambda: block_notice(_times(self._block_times), now) if self._block_times else None,
        }
        found = [notice for name, read in sources.items() if (notice := self._try(name, read)) is not None]
        notice = min(found, key=lambda one: one.at, default=None)
        if notice is not None:
            self._try("gateway", lambda: self._drain(notice, now))
        elif self._draining and not self._failing:
            self._try("gateway", self._end)
        return notice

    def _try(self, name: str, do: Callable[[], Notice | None]) -> Notice | None:
        """Do it; what fails is told once, and does not keep the others from being looked at."""
        try:
            result = do()
        except (UnansweredError, ValueError, KeyError, TypeError, OSError) as error:
            said = f"{type(error).__name__}: {error}"
            if self._failing.get(name) != said:
                log.error("%s: %s", name, said)  # noqa: TRY400 - a trace adds nothing
            self._failing[name] = said
            return None
        if self._failing.pop(name, None):
            log.info("%s: answers again", name)
        return result

    def _drain(self, notice: Notice, now: datetime) -> None:
        left = max(0.0, (notice.at - now).total_seconds())
        body = json.dumps({"reason": notice.reason, "seconds_left": min(left, 86400.0)}).encode()
        status, _ = ask(self._gateway, "POST", "/drain", body=body)
        if status != 202:
            raise UnansweredError(f"the gateway answers {status} to a drain")
        if not self._draining:
            log.warning("%s at %s: the gateway drains", notice.reason, notice.at.isoformat())
        self._draining = True

    def _end(self) -> None:
        ask(self._gateway, "DELETE", "/drain")
        log.warning("called off: the gateway takes requests again")
        self._draining = False


def _times(path: Path) -> BlockTimes:
    """Read the file anew each time: a block that is extended ends later."""
    times = msgspec.json.decode(path.read_bytes(), type=BlockTimes)
    if times.stop_taking_at.tzinfo is None or times.reclaim_at.tzinfo is None:
        raise ValueError(f"{path.name}: moments without a zone")
    return times


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")  # noqa: TRY004 - what the other end sent
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, got {type(value).__name__}")  # noqa: TRY004 - what the other end sent
    return value


def main() -> int:
    """Look every few seconds until ended; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="gateway.reclaim", description="Drains the gateway before AWS takes the host."
    )
    parser.add_argument("--gateway", required=True, help="URL of the gateway's administrative listener")
    parser.add_argument("--metadata", default=METADATA, help="URL of the instance metadata service")
    parser.add_argument("--block-times", type=Path, help="JSON file with stop_taking_at and reclaim_at of the block")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    watch = Watch(Metadata(arguments.metadata), arguments.gateway, arguments.block_times)
    while True:
        watch.look(datetime.now(UTC))
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())
