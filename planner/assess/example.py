"""Answers to start from: round figures of an office with a few thousand users, to be replaced by one's own."""

from __future__ import annotations

from planner.assess.situation import ApiUse, Demand, Hardware, Situation, Throughput

RATE = Throughput(low=1200, typical=2200, high=3500)
"""Of a replica on two H200, in tokens/s: assumed, between what is published for models of 20 to 120 billion parameters;
who answers for themselves measures it, or names a profile whose speed is predicted."""

EXAMPLE = Situation(
    data="internal",
    currency="EUR",
    residency=("EU",),
    demand=Demand(
        users=2000,
        tokens_in_per_day=60_000,
        tokens_out_per_day=12_000,
        growth_per_month=0.02,
        batch_share=0.2,
        cached_share=0.3,
    ),
    api=(ApiUse(model="frontier-high", share=1.0),),
    hardware=(
        Hardware(
            host="p5en.48xlarge", capacity="on-demand", region="eu-north-1", replicas_per_host=4, tokens_per_s=RATE
        ),
        Hardware(
            host="p5en.48xlarge", capacity="capacity-block", region="eu-north-1", replicas_per_host=4, tokens_per_s=RATE
        ),
        Hardware(host="oem-2xh200", capacity="bought", country="FR", tokens_per_s=RATE),
    ),
)
