"""The shipped models and licences, with machines and prices of round figures."""

from __future__ import annotations

import datetime as dt
from typing import Any

from planner.catalogue import Catalogue
from planner.catalogue.rows import Gpu, Host, HostPrice, Provider, Rate
from tests.shipped import shipped_licences, shipped_models

ORIGIN: dict[str, Any] = {"source": "test", "as_of": dt.date(2026, 11, 1), "verified": True}
GPUS = {
    "big": Gpu(
        name="big", title="Big", memory_gib=140, bandwidth_tb_s=4.8, fp16_tflops=1000, bf16_tflops=1000,
        fp8_tflops=2000, tdp_w=700, link="nvlink", link_gb_s=900, **ORIGIN,
    ),
    "small": Gpu(
        name="small", title="Small", memory_gib=22, bandwidth_tb_s=0.3, fp16_tflops=120, bf16_tflops=120,
        fp8_tflops=240, tdp_w=72, link="pcie", link_gb_s=64, **ORIGIN,
    ),
}  # fmt: skip
HOSTS = {
    "node": Host(name="node", provider="cloud", gpu="big", gpus=8, link="nvlink", **ORIGIN),
    "pair": Host(name="pair", provider="other", gpu="big", gpus=2, link="nvlink", **ORIGIN),
}


def catalogue(*prices: HostPrice) -> Catalogue:
    """Return the catalogue, with the prices given."""
    return Catalogue(
        models=shipped_models(),
        licences=shipped_licences(),
        gpus=GPUS,
        hosts=HOSTS,
        providers={
            name: Provider(name=name, title=name.title(), kind="cloud", control="FR", **ORIGIN)
            for name in ("cloud", "other")
        },
        engines={},
        artefacts={},
        host_prices=prices,
        purchases=(),
        apis={},
        assumptions={},
        rates=(Rate(base="EUR", quote="USD", per_unit=1.1, **ORIGIN),),
    )


def price(host: str, per_hour: float, capacity: Any = "on-demand", currency: str = "USD") -> HostPrice:
    """Return a price."""
    return HostPrice(host=host, capacity=capacity, per_hour=per_hour, currency=currency, **ORIGIN)
