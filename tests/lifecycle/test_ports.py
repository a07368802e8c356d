"""Ports: free, remembered, and different from the neighbours'."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lifecycle import ports
from lifecycle.home import Home, StackHome


@pytest.fixture
def stack(tmp_path: Path) -> StackHome:
    home = Home(tmp_path).stack("a")
    home.folder.mkdir(parents=True)
    return home


def test_a_choice_is_remembered(stack: StackHome) -> None:
    first = ports.choose(stack, {"x.http": 0, "y.http": 0})
    assert ports.choose(stack, {"x.http": 0, "y.http": 0}) == first
    assert len(set(first.values())) == 2


def test_a_taken_port_is_not_chosen(stack: StackHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert not ports.is_free(taken)
        assert ports.choose(stack, {"x.http": taken})["x.http"] != taken


def test_what_was_found_taken_is_chosen_anew_and_the_rest_stays(stack: StackHome) -> None:
    first = ports.choose(stack, {"x.http": 0, "y.http": 0})
    second = ports.choose(stack, {"x.http": first["x.http"], "y.http": 0}, anew=["x.http"])
    assert second["x.http"] != first["x.http"]
    assert second["y.http"] == first["y.http"]


def test_two_stacks_never_share_a_port(stack: StackHome) -> None:
    other = stack.home.stack("b")
    other.folder.mkdir(parents=True)
    mine = ports.choose(stack, {"x.http": 0})
    theirs = ports.choose(other, {"x.http": mine["x.http"]})
    assert mine["x.http"] != theirs["x.http"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x.http": "many"}'])
def test_a_damaged_file_is_no_memory(stack: StackHome, content: bytes) -> None:
    stack.ports.write_bytes(content)
    assert ports.remembered(stack) == {}
