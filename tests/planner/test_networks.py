"""What counts as private: an allow-list, read strictly."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.networks import is_private, within


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/8", "10.1.2.3/8", "10.20.30.40", "172.16.0.0/12", "192.168.7.0/24", "fc00::/7", "fd12::/16"]
)
def test_private(cidr: str) -> None:
    assert is_private(cidr)


@pytest.mark.parametrize(
    "cidr",
    [
        "0.0.0.0/0", "::/0", "0.0.0.0/1", "10.0.0.0/7", "172.16.0.0/11", "172.32.0.0/16", "192.168.0.0/15",
        "8.8.8.8/32", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/4", "2001:db8::/32", "fe80::/10",
        "fc00::/6", "::ffff:10.0.0.0/104", "", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/8 ", "localhost",
        None, 167772160, ["10.0.0.0/8"],
    ],
)  # fmt: skip
def test_not_private(cidr: object) -> None:
    assert not is_private(cidr)


@given(st.ip_addresses(v=4), st.integers(min_value=0, max_value=32))
def test_private_means_every_address_is(address: object, bits: int) -> None:
    network = IPv4Network(f"{address}/{bits}", strict=False)
    ranges = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
    ends = (network.network_address, network.broadcast_address)
    assert is_private(str(network)) is any(all(end in outer for end in ends) for outer in ranges)


def test_within_does_not_mix_families() -> None:
    assert not within("10.0.0.0/8", (IPv4Network("192.168.0.0/16"),))
    assert not within("fd00::/8", (IPv4Network("0.0.0.0/0"),))
