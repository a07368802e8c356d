"""GPUs, machines, providers, prices: equal to what their sources say, complete, and honest about what is not sure."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from planner.catalogue import Catalogue, load_catalogue
from planner.catalogue.rows import Host, Row

CASES = Path(__file__).parent / "cases"
UNVERIFIED: dict[str, dict[str, list[str]]] = tomllib.loads((CASES / "unverified.toml").read_text(encoding="utf-8"))
EC2_GPUS = {
    "h200": ("H200", 144384),
    "h100-sxm": ("H100", 81920),
    "a100-80": ("A100", 81920),
    "a100-40": ("A100", 40960),
    "b200": ("B200", 183359),
    "b300": ("B300", 275040),
    "l40s": ("L40S", 45776),
    "l4": ("L4", 22888),
    "a10g": ("A10G", 22888),
    "t4": ("T4", 16384),
    "rtx-pro-6000": ("RTX PRO Server 6000", 98304),
}
"""What EC2 calls the catalogue's GPUs, and the memory it reports, in MiB."""
FAMILIES = ("p5", "p5e", "p5en", "p6-b200", "p6-b300", "p4d", "p4de", "g4dn", "g5", "g6", "g6e")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def aws_hosts() -> list[Host]:
    return [host for host in load_catalogue().hosts.values() if host.provider == "aws"]


@cache
def instance_types() -> dict[str, Any]:
    """Return DescribeInstanceTypes as moto ships it."""
    found: dict[str, Any] = unpacked(files("moto.ec2") / "resources" / "instance_types.json.gz")
    return found


@cache
def offerings() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return instance type -> region -> zones, from DescribeInstanceTypeOfferings as moto ships it."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for file in (files("moto.ec2") / "resources" / "instance_type_offerings" / "availability-zone").iterdir():
        region = file.name.removesuffix(".json.gz")
        for offer in unpacked(file):
            zones = found.setdefault(offer["InstanceType"], {})
            zones[region] = tuple(sorted({*zones.get(region, ()), offer["Location"]}))
    return found


def unpacked(file: Any) -> Any:
    return json.loads(gzip.decompress(file.read_bytes()))


@pytest.mark.parametrize("host", aws_hosts(), ids=lambda host: host.name)
def test_aws_rows_are_what_ec2_says(host: Host) -> None:
    ec2 = instance_types()[host.name]
    (gpu,) = ec2["GpuInfo"]["Gpus"]
    network = ec2["NetworkInfo"]
    assert (gpu["Name"], gpu["MemoryInfo"]["SizeInMiB"]) == EC2_GPUS[host.gpu]
    assert host.gpus == gpu["Count"]
    assert host.vcpus == ec2["VCpuInfo"]["DefaultVCpus"]
    assert host.memory_gib == ec2["MemoryInfo"]["SizeInMiB"] / 1024
    assert host.network_cards == network["MaximumNetworkCards"]
    assert host.efa_interfaces == network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0)
    assert host.network_gbit_s == gigabits(network["NetworkPerformance"])
    assert host.local_nvme_gb == ec2["InstanceStorageInfo"]["TotalSizeInGB"]
    assert host.zones == offerings()[host.name]
    assert host.verified


def gigabits(performance: str) -> float:
    found = re.fullmatch(r"(?:Up to )?(?:(\d+)x )?(\d+) Gigabit", performance)
    assert found, performance
    return float(found[1] or 1) * float(found[2])


def test_the_aws_families_are_all_there() -> None:
    assert set(FAMILIES) <= {host.name.split(".")[0] for host in aws_hosts()}


def test_aws_sells_h200_by_eight_only() -> None:
    sold = {
        (name, gpu["Count"])
        for name, row in instance_types().items()
        for gpu in row.get("GpuInfo", {}).get("Gpus", ())
        if gpu["Name"] == "H200"
    }
    assert sold == {("p5e.48xlarge", 8), ("p5en.48xlarge", 8)}
    assert {(host.name, host.gpus) for host in aws_hosts() if host.gpu == "h200"} == sold


def test_the_two_h200_machines_differ_in_their_networks(catalogue: Catalogue) -> None:
    wide, deep = catalogue.hosts["p5e.48xlarge"], catalogue.hosts["p5en.48xlarge"]
    assert (wide.network_cards, wide.efa_interfaces) == (32, 32)
    assert (deep.network_cards, deep.efa_interfaces) == (16, 16)


def test_the_engine_sees_less_memory_than_the_vendor_reports(catalogue: Catalogue) -> None:
    for name, (_, mib) in EC2_GPUS.items():
        seen = catalogue.gpus[name].memory_gib * 1024 / mib
        assert 0.9 < seen < 1, name


def test_throughput_is_dense(catalogue: Catalogue) -> None:
    """With sparsity the pages' figures are twice as high."""
    assert catalogue.gpus["h200"].fp8_tflops == 1979
    for gpu in catalogue.gpus.values():
        assert gpu.bf16_tflops in {None, gpu.fp16_tflops}
        if gpu.fp8_tflops:
            assert gpu.fp8_tflops == pytest.approx(2 * gpu.fp16_tflops, rel=0.02), gpu.name
        if gpu.fp4_tflops:
            assert 2 <= gpu.fp4_tflops / gpu.fp8_tflops < 3.2, gpu.name  # type: ignore[operator]  # FP4 comes with FP8


def test_what_the_hardware_lacks_is_absent(catalogue: Catalogue) -> None:
    assert catalogue.gpus["t4"].bf16_tflops is None
    assert {name for name, gpu in catalogue.gpus.items() if gpu.fp8_tflops is None} == {
        "a100-40",
        "a100-80",
        "a10g",
        "t4",
    }
    assert {name for name, gpu in catalogue.gpus.items() if gpu.fp4_tflops} == {"b200", "b300", "rtx-pro-6000"}


def test_references_resolve(catalogue: Catalogue) -> None:
    assert {host.gpu for host in catalogue.hosts.values()} <= set(catalogue.gpus)
    assert {host.provider for host in catalogue.hosts.values()} <= set(catalogue.providers)
    assert {price.host for price in catalogue.host_prices} <= set(catalogue.hosts)
    assert {price.host for price in catalogue.purchases} <= set(catalogue.hosts)
    assert {api.provider for api in catalogue.apis.values()} <= set(catalogue.providers)


def test_every_gpu_can_be_had_somewhere(catalogue: Catalogue) -> None:
    assert {host.gpu for host in catalogue.hosts.values()} == set(catalogue.gpus)


def test_gpus_are_joined_where_there_are_several(catalogue: Catalogue) -> None:
    for host in catalogue.hosts.values():
        assert (host.link == "none") == (host.gpus == 1), host.name


def test_regions_with_zones_have_a_country_on_aws_scaleway_and_ovhcloud(catalogue: Catalogue) -> None:
    for host in catalogue.hosts.values():
        if host.provider in {"aws", "scaleway", "ovhcloud"}:
            assert set(host.zones) <= set(catalogue.providers[host.provider].regions), host.name


def test_prices_are_for_regions_that_offer_the_machine(catalogue: Catalogue) -> None:
    for price in catalogue.host_prices:
        if catalogue.hosts[price.host].provider == "aws":
            assert set(price.regions) <= set(catalogue.hosts[price.host].zones), price


def test_no_price_is_there_twice(catalogue: Catalogue) -> None:
    hours = Counter(
        (price.host, price.capacity, region) for price in catalogue.host_prices for region in price.regions or ("",)
    )
    assert [key for key, times in hours.items() if times > 1] == []
    assert [key for key, times in hours.items() if key[2] and (*key[:2], "") in hours] == []
    assert max(Counter(price.host for price in catalogue.purchases).values()) == 1


def test_p5en_prices_of_the_dated_source(catalogue: Catalogue) -> None:
    prices = {
        (price.capacity, region): price.per_hour
        for price in catalogue.host_prices
        if price.host == "p5en.48xlarge"
        for region in price.regions or ("",)
    }
    assert prices["on-demand", "us-east-1"] == prices["on-demand", "us-west-2"] == 63.296
    assert prices["on-demand", "eu-north-1"] == 67.73
    assert prices["spot", ""] == 26.57


def test_each_rented_provider_has_a_priced_machine(catalogue: Catalogue) -> None:
    priced = {catalogue.hosts[price.host].provider for price in catalogue.host_prices}
    assert priced == {"aws", "scaleway", "ovhcloud", "lambda", "runpod", "vast", "coreweave"}


def test_money_is_never_verified(catalogue: Catalogue) -> None:
    """No price list is at hand: all prices and figures come from third parties, or are assumptions."""
    money: tuple[Row, ...] = (
        *catalogue.host_prices,
        *catalogue.purchases,
        *catalogue.apis.values(),
        *catalogue.assumptions.values(),
        *catalogue.rates,
    )
    assert [row for row in money if row.verified] == []


@pytest.mark.parametrize(
    ("table", "name"),
    [(table, name) for table, rows in UNVERIFIED.items() for name in rows],
    ids=str,
)
def test_what_is_not_sure_is_marked(catalogue: Catalogue, table: str, name: str) -> None:
    row: Row = getattr(catalogue, table)[name]
    fields = UNVERIFIED[table][name]
    assert not any(row.sure(field) for field in fields or row.__struct_fields__)
    if fields:
        assert row.verified, "only some fields of it are unsure"


def test_every_row_says_where_it_comes_from_and_when_it_was_read(catalogue: Catalogue) -> None:
    tables = (catalogue.gpus, catalogue.hosts, catalogue.providers, catalogue.apis, catalogue.assumptions)
    rows: list[Row] = [row for table in tables for row in table.values()]
    rows += [*catalogue.host_prices, *catalogue.purchases, *catalogue.rates]
    assert all(row.source.strip() and 2017 <= row.as_of.year <= 2026 for row in rows)
    certificates = [row for provider in catalogue.providers.values() for row in provider.certificates]
    assert all(row.source.strip() and 2017 <= row.as_of.year <= 2026 for row in certificates)


def test_every_cloud_has_a_law_but_the_one_without_a_name(catalogue: Catalogue) -> None:
    assert {name for name, row in catalogue.providers.items() if row.control is None} == {"own", "unnamed"}
