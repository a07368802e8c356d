"""Where receivers of alerts are, on machines that have no DNS and in networks that lead nowhere else."""

from __future__ import annotations

import msgspec
import pytest

from planner.catalogue import load_catalogue
from planner.contents import contents_of
from planner.errors import PlanError
from planner.plan import Outside, Target
from planner.profile import AlertsSection
from tests.alerts import BOTH, EMAIL, WEBHOOK, told_plan


def at(**fields: str) -> AlertsSection:
    return AlertsSection(webhook=msgspec.structs.replace(WEBHOOK, **fields))


@pytest.mark.parametrize("target", ["metal", "aws"])
def test_receivers_are_reached_by_address_and_believed_by_name(target: Target) -> None:
    service = told_plan(target=target).service("alertmanager")
    assert service.reaches == (
        Outside(name="alerts.example.test", port=8443, address="10.42.9.9"),
        Outside(name="mail.example.test", port=587, address="10.42.9.8"),
    )
    assert service.secret_files == ("alert-webhook-token", "alert-smtp-login")


def test_the_sandbox_asks_as_its_machine_does() -> None:
    assert {server.address for server in told_plan(target="sandbox").service("alertmanager").reaches} == {""}


@pytest.mark.parametrize("section", [at(address=""), AlertsSection(email=msgspec.structs.replace(EMAIL, address=""))])
def test_a_name_alone_is_not_enough_on_hosts(section: AlertsSection) -> None:
    with pytest.raises(PlanError, match="no DNS"):
        told_plan(section)
    assert told_plan(section, target="sandbox").alerts


@pytest.mark.parametrize("url", ["https://10.42.9.9/hook", "https://[fd00::9]/hook"])
def test_an_address_is_a_name_as_well(url: str) -> None:
    alerts = told_plan(at(url=url, address="")).alerts
    assert alerts is not None
    (server,) = alerts.servers
    assert server.address == server.name


@pytest.mark.parametrize("address", ["alerts.example.test", "10.0.0.999", "0.0.0.0", "224.0.0.1", "::"])
def test_what_is_nobodys_address_is_refused(address: str) -> None:
    with pytest.raises(PlanError, match=r"alerts\.webhook\.address"):
        told_plan(at(address=address))


def test_no_route_of_an_account_leads_to_other_networks() -> None:
    with pytest.raises(PlanError, match=r"no route .* 192\.168\.7\.7"):
        told_plan(at(address="192.168.7.7"), target="aws")
    assert told_plan(at(address="192.168.7.7")).alerts


def test_a_bundle_brings_the_program_where_somebody_is_told() -> None:
    assert "prometheus-alertmanager" in contents_of(told_plan(), load_catalogue()).packages
    assert "prometheus-alertmanager" not in contents_of(told_plan(AlertsSection()), load_catalogue()).packages


def test_a_plan_names_files_and_holds_no_secret() -> None:
    names = {secret.name for secret in told_plan(BOTH).secrets if secret.on_hosts}
    assert {"alert-webhook-token", "alert-smtp-login"} <= names
    assert not {"alert-webhook-token", "alert-smtp-login"} & {
        secret.name for secret in told_plan(AlertsSection()).secrets
    }
