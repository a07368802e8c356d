"""What the hosts' roles are told of the receiver of records."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.hosts.log_shipping import LogShippingFileError, log_shipping_variables, log_shipping_ways_out
from planner.logs import SOURCES, plan_logs
from planner.profile import LogShippingSection

PEM = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


def section(ca: Path) -> LogShippingSection:
    return LogShippingSection(address="10.0.0.9", server_name="logs.example.test", ca=str(ca))


def test_the_role_gets_contents_and_the_firewall_one_way_out(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(PEM)
    logs = plan_logs(90, section(ca))
    told = log_shipping_variables(logs)
    assert told["log_shipping_ca"] == PEM
    assert (told["log_shipping_certificate"], told["log_shipping_key"]) == ("", "")
    assert [source["name"] for source in told["log_shipping_sources"]] == [source.name for source in SOURCES]
    (way,) = log_shipping_ways_out(logs.shipping)
    assert (way["protocol"], way["port"], way["networks"]) == ("tcp", 6514, ["10.0.0.9"])


def test_without_a_receiver_the_service_is_taken_away_and_no_way_is_open() -> None:
    logs = plan_logs(90)
    assert log_shipping_variables(logs) == {"log_shipping_address": ""}
    assert log_shipping_ways_out(logs.shipping) == []


def test_a_receiver_that_could_not_be_verified_is_refused(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with pytest.raises(LogShippingFileError, match="cannot be verified"):
        log_shipping_variables(plan_logs(90, section(ca)))
    ca.write_bytes(b"0\x82\x01")
    with pytest.raises(LogShippingFileError):
        log_shipping_variables(plan_logs(90, section(ca)))
    ca.write_text("no certificate")
    with pytest.raises(LogShippingFileError, match="holds no PEM"):
        log_shipping_variables(plan_logs(90, section(ca)))
