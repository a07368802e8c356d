"""Host keys from consoles: which are read, which are not, and how long one waits for them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.stub import Stubber

from lifecycle.aws.session import AwsSession
from lifecycle.hosts.ssh import fingerprint
from lifecycle.tunnel.console import HostKeyNotShownError, HostKeysDifferError, read_console, wait_for_keys
from planner.errors import DeployError
from planner.progress import Silent

pytestmark = pytest.mark.slow

CONSOLES = Path(__file__).parent / "consoles"
INSTANCE = "i-0123456789abcdef0"


def console(name: str) -> str:
    with (CONSOLES / f"{name}.txt").open(newline="") as file:
        return file.read()


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    stubber = Stubber(AwsSession("us-east-2").ec2)
    with stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def session_of(stub: Stubber) -> AwsSession:
    made = AwsSession("us-east-2")
    made._clients["ec2", False] = stub.client
    return made


def shows(stub: Stubber, *names: str) -> None:
    """Have the console show these, first as after the start, then as now, and so on."""
    for number, name in enumerate(names):
        asked: dict[str, object] = {"InstanceId": INSTANCE} | ({"Latest": True} if number % 2 else {})
        answer = {"InstanceId": INSTANCE, **({"Output": b64encode(console(name).encode()).decode()} if name else {})}
        stub.add_response("get_console_output", answer, asked)


@pytest.mark.parametrize("name", ["whole", "prefixed", "twice"])
def test_the_strongest_key_is_taken_and_agrees_with_the_fingerprints(name: str) -> None:
    shown = read_console(console(name))
    assert set(shown.keys) == {"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"}
    assert shown.best.split()[0] == "ssh-ed25519"
    assert {fingerprint(key) for key in shown.keys.values()} == shown.fingerprints


@pytest.mark.parametrize("name", ["cut", "early"])
def test_half_a_block_shows_nothing(name: str) -> None:
    shown = read_console(console(name))
    assert (shown.best, shown.fingerprints) == ("", frozenset())


def test_fingerprints_alone_are_read() -> None:
    shown = read_console(console("fingerprints"))
    assert shown.best == ""
    assert shown.fingerprints == read_console(console("whole")).fingerprints


def test_a_console_that_contradicts_itself_is_not_believed() -> None:
    with pytest.raises(HostKeysDifferError, match="two different ssh-ed25519"):
        read_console(console("two"))


def test_what_stands_outside_of_the_block_is_no_key() -> None:
    key = read_console(console("whole")).best
    assert read_console(f"login: {key}\n").best == ""


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA", "ssh-ed25519 !!!!", "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQAB"])
def test_base64_that_holds_no_such_key_is_no_key(text: str) -> None:
    block = f"-----BEGIN SSH HOST KEY KEYS-----\n{text} root@host\n-----END SSH HOST KEY KEYS-----\n"
    assert read_console(block).keys == {}


def test_it_waits_until_the_console_shows_them(stub: Stubber) -> None:
    shows(stub, "", "", "early", "cut", "early", "whole")
    progress, waits = Notes(), list[float]()
    shown = wait_for_keys(session_of(stub), INSTANCE, progress, pause=waits.append, clock=lambda: sum(waits))
    assert shown.best
    assert waits == [10, 10]
    assert progress.notes == [f"not there yet after {seconds} s, at most 600 s" for seconds in (0, 10)]


def test_it_does_not_wait_for_ever(stub: Stubber) -> None:
    shows(stub, *["early"] * 6)
    waits: list[float] = []
    with pytest.raises(HostKeyNotShownError, match=f"{INSTANCE} has not shown .* within 20 s") as error:
        wait_for_keys(session_of(stub), INSTANCE, Silent(), wait_s=20, pause=waits.append, clock=lambda: sum(waits))
    assert "run the same command again" in error.value.hint


def test_a_type_whose_console_is_only_kept_from_its_start_will_do(stub: Stubber) -> None:
    shows(stub, "early")
    stub.add_client_error("get_console_output", "UnsupportedOperation")
    shows(stub, "whole")
    assert wait_for_keys(session_of(stub), INSTANCE, Silent(), pause=lambda seconds: None).best


def test_a_refusal_names_the_action(stub: Stubber) -> None:
    stub.add_client_error("get_console_output", "UnauthorizedOperation", http_status_code=403)
    with pytest.raises(DeployError, match="ec2:GetConsoleOutput"):
        wait_for_keys(session_of(stub), INSTANCE, Silent())
