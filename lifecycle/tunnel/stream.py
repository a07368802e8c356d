"""A tunnel as a stream of bytes: what paramiko and OpenSSH speak SSH over."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from planner.errors import DeployError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed, InvalidStatus

Answer = TypeVar("Answer")

LONGEST_FRAME = 65_000
"""Bytes of one frame (AWS's command line, `_MAX_BYTES_PER_FRAME`)."""
OPEN_TIMEOUT_S = 15.0
CLOSE_TIMEOUT_S = 2.0
LINGER_S = 2.0
"""Silence after which a tunnel whose near side has ended is over, in seconds."""
_NORMAL = 1000
_NEAR_THE_END_S = 5.0
"""How long before its time a tunnel's end is taken for the limit."""
_BUFFERED_FRAMES = 16
"""Frames that wait for a slow reader, before the sender has to."""


class TunnelRefusedError(DeployError):
    """The endpoint does not open a tunnel now; it may, a little later."""

    code = "tunnel_refused"


class TunnelForbiddenError(DeployError):
    """The endpoint does not open a tunnel for these credentials."""

    code = "tunnel_forbidden"


class TunnelBrokenError(DeployError):
    """A tunnel ended otherwise than by either side's wish."""

    code = "tunnel_broken"


class TunnelExpiredError(TunnelBrokenError):
    """A tunnel reached the longest time that it may be open."""

    code = "tunnel_expired"


class _Loop:
    """An event loop in a thread of its own.

    With the library's blocking connections, what is sent holds a lock that what is received needs: two sides that both
    have much to send would wait for each other.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock, self._stopped = threading.Lock(), False
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Return what comes of it.

        Raises:
            ConnectionAbortedError: the loop was stopped.

        """
        with self._lock:
            if self._stopped:
                work.close()
                raise ConnectionAbortedError("the tunnel is closed")
            begun = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return begun.result()
        except concurrent.futures.CancelledError:
            raise ConnectionAbortedError("the tunnel was closed") from None

    def stop(self) -> None:
        """End everything that is under way, and the thread."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class TunnelStream:
    """An open tunnel, with the methods of a socket that SSH libraries use.

    One thread may read while another writes. As with any socket, a read of nothing is the end. Bytes that nobody reads
    stop the sender: nothing is held without bound.
    """

    def __init__(
        self, websocket: ClientConnection, loop: _Loop, opened: contextlib.ExitStack, duration_s: float
    ) -> None:
        self._websocket = websocket
        self._loop = loop
        self._opened = opened
        self._ends_at = time.monotonic() + duration_s
        self._rest = memoryview(b"")
        self._timeout: float | None = None
        self._closed = False  # paramiko reads it too, as of any socket
        self._closing = threading.Lock()
        self.failure: DeployError | None = None
        """Why it ended, where neither side wished it to."""

    def recv(self, size: int) -> bytes:
        """Return some bytes, at most `size`; none when the stream has ended, and `failure` says if that was in order.

        Raises:
            TimeoutError: none came in time.

        """
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - only those who tunnel load it

        while not self._rest:
            try:
                message = self._loop.do(asyncio.wait_for(self._websocket.recv(), self._timeout))
            except ConnectionAbortedError:
                return b""
            except ConnectionClosed as error:
                self._note_end(error)
                return b""
            if isinstance(message, str):
                self.failure = TunnelBrokenError(
                    f"the endpoint sent text in place of bytes: {message[:200]!r}",
                    hint="Run the same command again; if it stays so, the endpoint is not what it says.",
                )
                self.close()
                return b""
            self._rest = memoryview(message)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)

    def send(self, data: bytes) -> int:
        """Send the beginning of `data`, at most one frame, and return how much that was.

        Raises:
            BrokenPipeError: the stream has ended.

        """
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - as above

        chunk = bytes(data[:LONGEST_FRAME])
        try:
            self._loop.do(self._websocket.send(chunk))
        except ConnectionAbortedError as error:
            raise BrokenPipeError(str(error)) from None
        except ConnectionClosed as error:
            self._note_end(error)  # an SSH library that cannot write may never read again
            raise BrokenPipeError(str(error)) from None
        return len(chunk)

    def settimeout(self, seconds: float | None) -> None:
        """Set how long `recv` waits; None for as long as it takes."""
        self._timeout = seconds

    def close(self) -> None:
        """End the tunnel, in order where the endpoint answers. From several threads at once: all wait for that."""
        self._closed = True
        with self._closing:
            self._opened.close()

    def _note_end(self, error: ConnectionClosed) -> None:
        if not self._closed and self._websocket.close_code != _NORMAL:
            self.failure = self.failure or self._broken(error)

    def _broken(self, error: ConnectionClosed) -> TunnelBrokenError:
        said = (error.rcvd.reason or f"close code {error.rcvd.code}") if error.rcvd else "the connection was lost"
        if time.monotonic() >= self._ends_at - _NEAR_THE_END_S:
            return TunnelExpiredError(
                f"the tunnel was open for as long as it may be ({said})",
                hint="Run the same command again: it opens a new one. `deploy connect` does so by itself.",
            )
        return TunnelBrokenError(
            f"the tunnel broke: {said}", hint="Look at the network and at the node, then run the same command again."
        )


def open_stream(url: str, duration_s: float, ca_bundle: str | None = None) -> TunnelStream:
    """Open a tunnel at its signed address. Proxies of the environment are used. Whoever gets it closes it.

    Args:
        url: as `endpoint.signed_url` makes it.
        duration_s: how long it was asked for, in seconds.
        ca_bundle: file of authorities that are trusted in the place of the system's.

    Raises:
        TunnelForbiddenError: the signature or the policy of the credentials does not allow it.
        TunnelRefusedError: the endpoint refuses, or is not reached.

    """
    from websockets.asyncio.client import connect  # noqa: PLC0415 - only those who tunnel load it
    from websockets.exceptions import InvalidStatus, WebSocketException  # noqa: PLC0415 - as above

    async def connected() -> ClientConnection:
        return await connect(
            url,
            ssl=ssl.create_default_context(cafile=ca_bundle or None),
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            # SSH asks for signs of life by itself; and a reader may be slow for longer than a ping may take.
            ping_interval=None,
            max_queue=_BUFFERED_FRAMES,
        )

    loop = _Loop()
    try:
        with contextlib.ExitStack() as opened:
            opened.callback(loop.stop)
            websocket = loop.do(connected())
            opened.callback(lambda: loop.do(websocket.close()))
            return TunnelStream(websocket, loop, opened.pop_all(), duration_s)
    except InvalidStatus as error:
        raise _refused(error) from None
    except (OSError, EOFError, WebSocketException) as error:
        raise TunnelRefusedError(
            f"the endpoint was not reached: {str(error) or type(error).__name__}",
            hint="Look at the network and at HTTPS_PROXY; behind a proxy that opens TLS, AWS_CA_BUNDLE names its "
            "authority.",
        ) from None


def _refused(error: InvalidStatus) -> DeployError:
    """Say what an answer other than a tunnel means."""
    response = error.response
    said = (response.body or b"").decode(errors="replace").strip()[:300] or response.reason_phrase
    if response.status_code in {401, 403}:
        return TunnelForbiddenError(
            f"these credentials may not open a tunnel: {said}",
            hint="They need ec2-instance-connect:OpenTunnel on this endpoint, and to meet its conditions: multi-factor "
            "sign-in or the network you come from, port 22, the node's address, the duration. Check this machine's "
            "clock as well: signatures hold for a minute.",
        )
    return TunnelRefusedError(
        f"the endpoint opens no tunnel now: {response.status_code} {said}",
        hint="An endpoint carries 20 tunnels at a time: end others (`deploy connect`, `deploy ssh`), then try again.",
    )


def carry(stream: TunnelStream, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
    """Carry bytes both ways until the far side ends, or the near side has ended and the far one is silent for a while.

    A WebSocket cannot say that one direction has ended: what is still under way gets `LINGER_S` of silence to arrive.

    Args:
        stream: the tunnel; the caller closes it.
        read: returns some bytes of the near side, none at its end; called in a thread of its own.
        write: gives all of some bytes to the near side.

    Raises:
        DeployError: the tunnel broke.

    """
    finished = threading.Event()

    def outwards() -> None:
        with contextlib.suppress(OSError):
            while data := read(LONGEST_FRAME):
                stream.send(data)
        finished.set()

    threading.Thread(target=outwards, daemon=True).start()
    stream.settimeout(LINGER_S)
    while True:
        try:
            data = stream.recv(LONGEST_FRAME)
        except TimeoutError:
            if finished.is_set():
                return
            continue
        if not data:
            break
        write(data)
    if stream.failure:
        raise stream.failure
