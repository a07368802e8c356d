"""Clients that ask until Ctrl-C: `clients.py ADDRESS CA_FILE TOKEN_FILE`; then prints what they saw, as JSON."""

from __future__ import annotations

import hashlib
import json
import signal
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

MODEL = "llama-3.1-8b-instruct"
PAUSE_S = 0.1


class Seen:
    """What clients saw so far."""

    def __init__(self) -> None:
        self.streams = 0
        self.answers = 0
        self.failed: list[str] = []
        self.certificates: set[str] = set()


def ask(client: httpx.Client, seen: Seen, *, stream: bool) -> None:
    """Ask once, and count it only if it came whole."""
    body = {"model": MODEL, "max_tokens": 8, "stream": stream, "messages": [{"role": "user", "content": "Hello!"}]}
    try:
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            shown = answer.extensions["network_stream"].get_extra_info("ssl_object")
            der = 1  # as bytes; the C type behind it takes no names
            seen.certificates.add(hashlib.sha256(shown.getpeercert(der)).hexdigest())
            text = answer.read().decode()
        if answer.status_code != httpx.codes.OK:
            seen.failed.append(f"{answer.status_code}: {text[:200]}")
        elif stream and not text.rstrip().endswith("data: [DONE]"):
            seen.failed.append(f"cut off: {text[-200:]}")
        elif stream:
            seen.streams += 1
        else:
            seen.answers += 1
    except httpx.HTTPError as error:
        seen.failed.append(f"{type(error).__name__}: {error}")


def clients_of(address: str, ca_file: str, token_file: str) -> Callable[[], httpx.Client]:
    """Return what makes clients, all with what they were given once."""
    trust, token = ssl.create_default_context(cafile=ca_file), Path(token_file).read_text(encoding="utf-8")
    settings: dict[str, Any] = {"verify": trust, "trust_env": False, "timeout": 60}
    headers = {"Authorization": f"Bearer {token.strip()}"}
    return lambda: httpx.Client(base_url=f"https://{address}", headers=headers, **settings)


def main(address: str, ca_file: str, token_file: str) -> None:
    """Stream on a connection of its own each time, and ask on one that stays."""
    seen, ended, client = Seen(), threading.Event(), clients_of(address, ca_file, token_file)

    def streaming() -> None:
        while not ended.wait(PAUSE_S):
            with client() as one:
                ask(one, seen, stream=True)

    def staying() -> None:
        with client() as one:
            while not ended.wait(PAUSE_S):
                ask(one, seen, stream=False)

    threading.excepthook = lambda ended_by: seen.failed.append(repr(ended_by.exc_value))
    threads = [threading.Thread(target=target) for target in (streaming, staying)]
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    for thread in threads:
        thread.start()
    while not (seen.failed or (seen.streams and seen.answers)) and not ended.wait(0.05):
        continue
    sys.stdout.write("served\n")
    sys.stdout.flush()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps({**vars(seen), "certificates": len(seen.certificates)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
