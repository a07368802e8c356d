"""Situations as hypothesis draws them."""

from __future__ import annotations

from hypothesis import strategies as st

from planner.assess.figures import Case, Figures
from planner.assess.prices import Terms
from planner.assess.situation import ApiUse, Demand, Hardware, Hybrid, Situation, Team, Throughput
from tests.planner.assess.book import catalogue

SHARES = st.floats(0, 1)


@st.composite
def throughputs(draw: st.DrawFn) -> Throughput:
    low, typical, high = sorted(draw(st.lists(st.floats(50, 50_000), min_size=3, max_size=3)))
    return Throughput(low=low, typical=typical, high=high)


@st.composite
def options(draw: st.DrawFn) -> Hardware:
    host, capacity, region = draw(
        st.sampled_from([
            ("node", "on-demand", "north"), ("node", "on-demand", "west"), ("node", "capacity-block", "north"),
            ("box", "bought", ""),
        ])
    )  # fmt: skip
    return Hardware(
        host=host,
        capacity=capacity,  # type: ignore[arg-type]  # one of the literals above
        region=region,
        replicas_per_host=draw(st.integers(1, 8)),
        spare_replicas=draw(st.integers(0, 8)),
        tokens_per_s=draw(throughputs()),
        hours_per_month=draw(st.floats(100, 730)) if capacity == "on-demand" else 730,
    )


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    tokens = st.floats(1e6, 1e11)
    return Situation(
        data=draw(st.sampled_from(["open", "internal", "sensitive"])),
        currency=draw(st.sampled_from(["EUR", "USD"])),
        upfront_limit=draw(st.none() | st.floats(0, 1e6)),
        demand=Demand(
            tokens_in_per_month=draw(tokens),
            tokens_out_per_month=draw(tokens),
            growth_per_month=draw(st.floats(-0.1, 0.1)),
            peak_factor=draw(st.floats(1, 20)),
            batch_share=draw(SHARES),
            cached_share=draw(SHARES),
            retry_share=draw(st.floats(0, 0.3)),
            tool_overhead_share=draw(SHARES),
        ),
        team=Team(skills=draw(st.sampled_from(["none", "some", "experienced"]))),
        api=draw(st.sampled_from([
            (ApiUse(model="big"),), (ApiUse(model="small"),),
            (ApiUse(model="big", share=0.25), ApiUse(model="small", share=0.75)),
        ])),
        hybrid=Hybrid(local_share=draw(st.floats(0.05, 1)), escalation_share=draw(SHARES)),
        hardware=(draw(options()),),
    )  # fmt: skip


def figures_of(situation: Situation) -> dict[Case, Figures]:
    """Return the three cases of a situation's first way to have own capacity."""
    return Terms(situation, catalogue()).figures(situation.hardware[0])
