"""A small catalogue of round figures, so that costs can be checked by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

from planner.catalogue import Catalogue
from planner.catalogue.rows import ApiPrice, Assumption, Gpu, Host, HostPrice, Provider, PurchasePrice, Rate

ORIGIN: dict[str, Any] = {"source": "test", "as_of": dt.date(2026, 11, 1), "verified": True}

ASSUMPTIONS = {
    "electricity": (0.1, 0.2, 0.3, "EUR/kWh"),
    "pue": (1.2, 1.3, 1.5, "factor"),
    "power-draw": (0.5, 0.7, 1.0, "share"),
    "colocation": (100, 150, 200, "EUR/kW-month"),
    "cost-of-capital": (0.04, 0.08, 0.12, "share/year"),
    "residual-value": (0.0, 0.1, 0.2, "share"),
    "useful-life": (36, 48, 60, "months"),
    "repairs": (0.02, 0.05, 0.08, "share/year"),
    "platform": (200, 500, 1000, "EUR/month"),
    "staff-year": (80_000, 110_000, 140_000, "EUR/year"),
    "staff-share-api": (0.05, 0.1, 0.2, "FTE"),
    "staff-share-hybrid": (0.3, 0.5, 0.9, "FTE"),
    "staff-share-self-host": (0.3, 0.5, 1.0, "FTE"),
    "setup-days-api": (2, 5, 10, "days"),
    "setup-days-hybrid": (15, 30, 60, "days"),
    "setup-days-self-host": (15, 25, 50, "days"),
    "refresh-days-api": (1, 2, 4, "days"),
    "refresh-days-hybrid": (3, 6, 12, "days"),
    "refresh-days-self-host": (3, 5, 10, "days"),
    "refresh-interval": (3, 4, 6, "months"),
    "max-utilisation": (0.4, 0.5, 0.7, "share"),
}


def catalogue(**overrides: Any) -> Catalogue:
    """Return the catalogue; `overrides` replace whole tables."""
    tables: dict[str, Any] = {
        "models": {},
        "licences": {},
        "engines": {},
        "artefacts": {},
        "gpus": {
            "g": Gpu(
                name="g", title="G", memory_gib=80, bandwidth_tb_s=3, fp16_tflops=900, tdp_w=700, link="nvlink",
                link_gb_s=900, **ORIGIN,
            )
        },
        "hosts": {
            "node": Host(name="node", provider="cloud", gpu="g", gpus=8, link="nvlink", **ORIGIN),
            "box": Host(
                name="box", provider="premises", gpu="g", gpus=8, link="nvlink", power_w=10_000, kind="server", **ORIGIN
            ),
            "box-without-power": Host(
                name="box-without-power", provider="premises", gpu="g", gpus=8, link="nvlink", kind="server", **ORIGIN
            ),
        },
        "providers": {
            "cloud": Provider(
                name="cloud", title="Cloud", kind="cloud", control="US", regions={"north": "SE", "west": "US"}, **ORIGIN
            ),
            "premises": Provider(name="premises", title="Premises", kind="own", control=None, **ORIGIN),
        },
        "host_prices": (
            HostPrice(host="node", capacity="on-demand", regions=("north",), per_hour=40, currency="EUR", **ORIGIN),
            HostPrice(host="node", capacity="on-demand", regions=("west",), per_hour=44, currency="USD", **ORIGIN),
            HostPrice(host="node", capacity="capacity-block", per_hour=30, currency="EUR", **ORIGIN),
        ),
        "purchases": (
            PurchasePrice(host="box", low=240_000, high=360_000, currency="EUR", **ORIGIN),
            PurchasePrice(host="box-without-power", low=240_000, high=360_000, currency="EUR", **ORIGIN),
        ),
        "apis": {
            "big": ApiPrice(
                name="big", title="Big", provider="lab", in_per_million=4, out_per_million=16, currency="EUR",
                cached_in_per_million=1, batch_discount=0.5, **ORIGIN,
            ),
            "small": ApiPrice(
                name="small", title="Small", provider="lab", in_per_million=0.5, out_per_million=2, currency="EUR",
                **ORIGIN,
            ),
        },
        "assumptions": {
            name: Assumption(name=name, title=name, low=low, typical=typical, high=high, unit=unit, **ORIGIN)
            for name, (low, typical, high, unit) in ASSUMPTIONS.items()
        },
        "rates": (Rate(base="EUR", quote="USD", per_unit=1.1, **ORIGIN),),
    }  # fmt: skip
    return Catalogue(**(tables | overrides))
