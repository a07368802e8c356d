"""An inventory is right, or the message names file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.hosts.inventory import InventoryError, host_from_words, parse_inventory
from lifecycle.hosts.pins import Pins, alias
from lifecycle.hosts.ssh import fingerprint

GOOD = """\
[[host]]
name = "bastion"
address = "192.0.2.1"
user = "ops"
roles = ["jump"]

[[host]]
name = "gpu-1"
address = "10.0.0.5"
user = "ops"
jump = "bastion"
gpu = "h200"
gpus = 8
"""


def test_a_host_is_reached_by_its_jump_host() -> None:
    inventory = parse_inventory(GOOD, "hosts.toml")
    (serving,) = inventory.serving
    assert [host.name for host in inventory.way_to(serving)] == ["bastion", "gpu-1"]
    assert serving.port == 22


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[host]]", "[[host", "hosts.toml: not TOML"),
        ('user = "ops"\njump', 'usr = "ops"\njump', "hosts.toml:10: `host.1.usr`: no such field; did you mean `user`?"),
        ('user = "ops"\njump', "jump", "hosts.toml:7: `host.1.user`: this field is missing"),
        ('"gpu-1"', '"bastion"', "hosts.toml:8: `host.1.name`: another host is called bastion already"),
        ('jump = "bastion"', 'jump = "door"', "hosts.toml:11: `host.1.jump`: no host of this file is called door"),
        ('jump = "bastion"', 'jump = "gpu-1"', "hosts.toml:11: `host.1.jump`: its jump hosts lead in a circle"),
        ("gpus = 8", 'gpus = "8"', "hosts.toml:13: `host.1.gpus`: expected `int | null`, got `str`"),
        ('"10.0.0.5"', '"-oProxyCommand=id"', "hosts.toml:9: `host.1.address`"),
        ('user = "ops"\njump', 'user = "a b"\njump', "hosts.toml:10: `host.1.user`"),
        ('jump = "bastion"', 'host_key = "secret"', "hosts.toml:11: `host.1.host_key`"),
        ('jump = "bastion"', 'jump = "bastion"\nroles = ["jump"]', "`host`: no host has the role `serve`"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(InventoryError) as error:
        parse_inventory(GOOD.replace(old, new, 1), "hosts.toml")
    assert message in error.value.message


@pytest.mark.parametrize(
    ("words", "address", "port"),
    [
        ("ops@192.0.2.7", "192.0.2.7", 22),
        ("ops@gpu.example.org:2222", "gpu.example.org", 2222),
        ("ops@[2001:db8::1]:2222", "2001:db8::1", 2222),
        ("ops@[2001:db8::1]", "2001:db8::1", 22),
    ],
)
def test_one_host_in_words(words: str, address: str, port: int) -> None:
    host = host_from_words(words)
    assert (host.user, host.address, host.port) == ("ops", address, port)


@pytest.mark.parametrize(
    "words", ["192.0.2.7", "ops@", "ops@host:99999", "ops@-oProxyCommand=id", "ops@2001:db8::1", "a b@host", "@host"]
)
def test_words_that_name_no_host(words: str) -> None:
    with pytest.raises(InventoryError):
        host_from_words(words)


def test_a_pinned_key_is_kept_privately_and_the_inventorys_goes_first(tmp_path: Path) -> None:
    host = host_from_words("ops@192.0.2.7")
    pins = Pins(tmp_path / "state" / "known_hosts")
    assert pins.of((host,)) == ""
    pins.pin((host,), "ssh-ed25519 AAAA")
    pins.pin((host,), "ssh-ed25519 BBBB")
    assert Pins(pins.path).of((host,)) == "ssh-ed25519 BBBB"
    assert pins.path.stat().st_mode & 0o777 == 0o600


def test_the_same_address_behind_another_jump_host_is_another_host() -> None:
    inner, one, other = (host_from_words(f"ops@{name}") for name in ("10.0.0.5", "site-a", "site-b"))
    assert len({alias((inner,)), alias((one, inner)), alias((other, inner))}) == 3


def test_fingerprints_read_as_ssh_keygens() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    assert fingerprint(key) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
