"""`with-peers` as units run it: programs on several nodes begin together and end together."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from templates.environment import FOLDER
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # processes that wait for each other

SCRIPT = FOLDER / "systemd" / "with-peers"
HERE = "127.0.0.1"
PROGRAM = """
import pathlib, signal, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def finish(*_):
    other = folder / "further"
    (folder / f"{name}.finished").write_text(f"with {other.exists()}")
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
(folder / name).touch()
while not (folder / f"{name}.end").exists():
    time.sleep(0.02)
sys.exit(3)
"""
"""Computes until it is told to end, and finishes what it is at when it is asked to stop."""


class Nodes:
    """Programs that stand for nodes: all of them on this machine."""

    def __init__(self, folder: Path, port: int, opened: contextlib.ExitStack) -> None:
        self.folder = folder
        self.port = port
        self.opened = opened

    def start(self, name: str, *words: str) -> subprocess.Popen[str]:
        command = (sys.executable, "-I", str(SCRIPT), *words, "--", sys.executable, "-c", PROGRAM, str(self.folder))
        log = self.opened.enter_context((self.folder / f"{name}.log").open("w"))
        process = subprocess.Popen((*command, name), stdout=log, stderr=log, text=True)
        self.opened.callback(process.wait, 10)
        self.opened.callback(process.kill)
        return process

    def lead(self, *peers: str) -> subprocess.Popen[str]:
        return self.start("first", "lead", HERE, str(self.port), *(peers or (HERE,)))

    def join(self) -> subprocess.Popen[str]:
        return self.start("further", "join", HERE, str(self.port))

    def both(self) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
        processes = self.lead(), self.join()
        wait_until(lambda: self.has("first") and self.has("further"))
        return processes

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    with contextlib.ExitStack() as opened:
        yield Nodes(tmp_path, port, opened)
        for name in ("first", "further"):  # whoever is left over
            (tmp_path / f"{name}.end").touch()


def test_none_begins_before_all_are_there(nodes: Nodes) -> None:
    nodes.join()
    wait_until(lambda: "waits for" in nodes.said("further"))
    assert not nodes.has("further")
    nodes.lead()
    wait_until(lambda: nodes.has("first") and nodes.has("further"))
    assert "all nodes are there: starts" in nodes.said("further")


def test_a_stranger_does_not_count(nodes: Nodes) -> None:
    nodes.lead("127.0.0.9")
    wait_until(lambda: "waits for 127.0.0.9" in nodes.said("first"))
    with socket.create_connection((HERE, nodes.port)) as stranger:
        assert stranger.recv(16) == b""
    assert not nodes.has("first")


def test_a_program_that_ends_ends_them_all(nodes: Nodes) -> None:
    first, further = nodes.both()
    (nodes.folder / "further.end").touch()
    assert (further.wait(20), first.wait(20)) == (3, 1)
    assert "the program has ended with 3" in nodes.said("further")
    assert f"{HERE} was lost" in nodes.said("first")
    assert not nodes.has("first.finished")  # its answers cannot be finished without the others


def test_a_node_that_is_lost_ends_the_others(nodes: Nodes) -> None:
    first, further = nodes.both()
    first.kill()
    assert further.wait(20) == 1
    assert "was lost: this node ends with it" in nodes.said("further")


def test_a_further_node_stops_once_the_first_has_finished_its_answers(nodes: Nodes) -> None:
    first, further = nodes.both()
    further.send_signal(signal.SIGTERM)
    assert (first.wait(20), further.wait(20)) == (1, 0)
    assert nodes.has("first.finished")
    assert f"{HERE} leaves" in nodes.said("first")


def test_the_first_node_finishes_its_answers_when_it_stops(nodes: Nodes) -> None:
    first, further = nodes.both()
    first.send_signal(signal.SIGTERM)
    assert (first.wait(20), further.wait(20)) == (0, 1)
    assert nodes.has("first.finished")


def test_a_node_that_waits_stops_at_once(nodes: Nodes) -> None:
    waiting = nodes.join()
    wait_until(lambda: "waits for" in nodes.said("further"))
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(20) == 0
    assert not nodes.has("further")


def test_an_address_that_is_not_there_is_said_in_words(nodes: Nodes) -> None:
    process = nodes.start("first", "lead", "192.0.2.1", str(nodes.port), HERE)
    assert process.wait(20) == 1
    assert "192.0.2.1" in nodes.said("first")
    assert "Traceback" not in nodes.said("first")
