"""A node's host keys, as its own console showed them when it first started: what a first connection is held against."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterator

import msgspec

from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from planner.errors import DeployError
from planner.progress import Progress

ASK_EVERY_S = 10.0
ASK_FOR_S = 600.0
"""EC2 shows the console some minutes after the start (API GetConsoleOutput)."""
_BLOCK = "-----{edge} SSH HOST KEY {what}-----"
_KEY = re.compile(r"(?:^|\s)((?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]+=*)(?:\s|$)")
_FINGERPRINT = re.compile(r"(?:^|\s)[0-9]+ (SHA256:[A-Za-z0-9+/]{43})(?:\s|$)")
_BEST_FIRST = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


class HostKeyNotShownError(DeployError):
    """The console has not shown the node's host keys yet."""

    code = "host_key_not_shown"


class HostKeysDifferError(DeployError):
    """The console shows two keys of one kind: the node was made anew inside, or somebody wrote to it."""

    code = "host_keys_differ"


class ShownKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What a console shows.

    Attributes:
        keys: kind -> kind and base64.
        fingerprints: as `ssh-keygen -l` prints them.

    """

    keys: dict[str, str]
    fingerprints: frozenset[str]

    @property
    def best(self) -> str:
        """The key to pin: the strongest kind; empty where only fingerprints are shown."""
        return next((self.keys[kind] for kind in _BEST_FIRST if kind in self.keys), "")


def read_console(text: str) -> ShownKeys:
    """Read the blocks that cloud-init writes (its `write-ssh-key-fingerprints`). A block without its end is not read.

    Lines may carry what the system log puts before them.

    Raises:
        HostKeysDifferError: two blocks show different keys of one kind.

    """
    keys: dict[str, str] = {}
    for line in _lines_of(text, "KEYS"):
        for key in _KEY.findall(line):
            kind = key.split()[0]
            if not _is_key(key):
                continue
            if keys.setdefault(kind, key) != key:
                raise HostKeysDifferError(
                    f"the console shows two different {kind} host keys",
                    hint="Nothing was connected. Look at the console (EC2 > Instances > Monitor and troubleshoot > Get "
                    "system log); `deploy down` and `deploy up` make a node whose key is known.",
                )
    found = (_FINGERPRINT.search(line) for line in _lines_of(text, "FINGERPRINTS"))
    return ShownKeys(keys=keys, fingerprints=frozenset(match[1] for match in found if match))


def wait_for_keys(
    session: AwsSession,
    instance_id: str,
    progress: Progress,
    *,
    wait_s: float = ASK_FOR_S,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ShownKeys:
    """Return a node's host keys as soon as its console shows them.

    Args:
        session: of the node's region.
        instance_id: the node.
        progress: is told that it waits.
        wait_s: for how long, in seconds.
        pause: sleeps, for tests.
        clock: seconds that only grow, for tests.

    Raises:
        HostKeyNotShownError: not within that time.
        HostKeysDifferError: the console contradicts itself.
        DeployError: AWS refuses.

    """
    began = clock()
    with progress.step(f"host key of {instance_id}, from its console"):
        while True:
            for text in _console(session, instance_id):
                shown = read_console(text)
                if shown.best or shown.fingerprints:
                    return shown
            waited = clock() - began
            if waited >= wait_s:
                raise HostKeyNotShownError(
                    f"{instance_id} has not shown its host keys on its console within {wait_s:.0f} s",
                    hint="No key, no connection. A new instance takes some minutes: run the same command again. If it "
                    "stays so, the image's cloud-init does not print them (`ssh: {emit_keys_to_console: true}`).",
                )
            progress.note(f"not there yet after {waited:.0f} s, at most {wait_s:.0f} s")
            pause(ASK_EVERY_S)


def _console(session: AwsSession, instance_id: str) -> Iterator[str]:
    """Yield what EC2 kept of the console after the start, then, where the type allows it, what is there now."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - takes a third of a second to load

    with told("ec2:GetConsoleOutput", session.region):
        yield session.ec2.get_console_output(InstanceId=instance_id).get("Output", "").replace("\r", "\n")
        try:
            latest = session.ec2.get_console_output(InstanceId=instance_id, Latest=True)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "UnsupportedOperation":  # not a Nitro type
                raise
            return
    yield latest.get("Output", "").replace("\r", "\n")


def _lines_of(text: str, what: str) -> Iterator[str]:
    """Yield the lines of every whole block."""
    begin, end = _BLOCK.format(edge="BEGIN", what=what), _BLOCK.format(edge="END", what=what)
    for part in text.split(begin)[1:]:
        block, found, _ = part.partition(end)
        if found:
            yield from block.splitlines()


def _is_key(key: str) -> bool:
    """Tell whether the base64 holds a key of the kind that stands before it."""
    kind, text = key.split()
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return blob.startswith(len(kind).to_bytes(4, "big") + kind.encode())
