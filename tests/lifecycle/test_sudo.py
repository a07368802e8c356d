"""A sudo password is proven once per connection, and one that a host refused is tried on no other."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.hosts.inventory import Host
from lifecycle.hosts.ssh import Connection, Ran
from lifecycle.hosts.sudo import Sudo, SudoPasswordMissingError, SudoRefusedError

RIGHT = "b7Qz"


class Answering(Connection):
    """A login on a host whose sudo takes one password; counts who asks."""

    def __init__(self, name: str, sudo: Sudo, right: str, user: str = "ops") -> None:
        client: Any = None
        super().__init__(Host(name=name, address="192.0.2.1", user=user), client, sudo)
        self.right = right
        self.asked: list[tuple[str, str]] = []

    def run(self, command: str, *, text: str = "", timeout_s: float = 60.0) -> Ran:
        """Answer as a host does."""
        del timeout_s
        self.asked.append((command, text))
        if "sudo -n" in command:
            return Ran(code=1, stdout="", stderr="sudo: a password is required\n")
        wrong = "sudo -k -S" in command and text.splitlines()[0] != self.right
        return Ran(code=int(wrong), stdout="", stderr="sudo: 1 incorrect password attempt\n" if wrong else "")


def test_it_is_proven_once_and_stands_on_no_command_line() -> None:
    host = Answering("a", Sudo(RIGHT), RIGHT)
    for _ in range(2):
        assert host.run_as_root("cat", text="for cat").code == 0
    assert [text.splitlines() for _, text in host.asked] == [
        [RIGHT],
        *[[RIGHT, "what follows is input", "for cat"]] * 2,
    ]
    assert not [command for command, _ in host.asked if RIGHT in command]
    assert RIGHT not in f"{host.sudo} {host.as_root('cat')}"


def test_one_that_a_host_refused_is_tried_on_no_other() -> None:
    sudo = Sudo("wrong")
    first, second = Answering("a", sudo, RIGHT), Answering("b", sudo, RIGHT)
    with pytest.raises(SudoRefusedError, match="incorrect password attempt"):
        first.run_as_root("cat")
    for _ in range(2):
        with pytest.raises(SudoRefusedError, match="a refused it"):
            second.run_as_root("cat")
    assert (len(first.asked), second.asked) == (1, [])


def test_a_missing_one_is_told_and_root_needs_none() -> None:
    with pytest.raises(SudoPasswordMissingError, match="asks ops for a password"):
        Answering("a", Sudo(), RIGHT).run_as_root("cat")
    root = Answering("a", Sudo(RIGHT), RIGHT, user="root")
    assert root.run_as_root("cat", text="for cat").code == 0
    assert root.asked == [("cat", "for cat")]
