"""What the playbooks are told of a host."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle.hosts.facts import Facts
from lifecycle.hosts.inventory import Host, Inventory, WayOut
from lifecycle.hosts.play_variables import host_variables

FACTS = msgspec.json.decode((Path(__file__).parents[1] / "facts" / "no-gpu.json").read_bytes(), type=Facts)


def test_single_addresses_that_may_be_asked_for_the_time_are_time_servers() -> None:
    host = Host(name="h", address="192.0.2.1", user="root")
    out = (
        WayOut(name="time", protocol="udp", port=123, networks=("192.0.2.9/32", "198.51.100.0/24", "2001:db8::9/128")),
        WayOut(name="other", protocol="tcp", port=123, networks=("192.0.2.10/32",)),
        WayOut(name="names", protocol="udp", port=53, networks=("192.0.2.11/32",)),
    )
    told = host_variables(host, FACTS, Inventory(host=(host,), out=out))
    assert told["base_time_servers"] == ["192.0.2.9", "2001:db8::9"]
    assert host_variables(host, FACTS, Inventory(host=(host,)))["base_time_servers"] == []
