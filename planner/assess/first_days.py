"""Measure before you buy: thirty days, each step with what to run or read and when to stop."""

from __future__ import annotations

from collections.abc import Mapping

from planner.assess.figures import Strategy
from planner.assess.report import Bill, Recommendation, Step
from planner.assess.situation import Hardware, Situation


def first_days(situation: Situation, advice: Recommendation, headline: Mapping[Strategy, Bill]) -> tuple[Step, ...]:
    """Return the steps of the first 30 days, week by week; they are worth taking whatever the advice is."""
    own = headline["hybrid" if advice.advice == "hybrid" else "self-host"]
    option = next(row for row in situation.hardware if row.name == own.option)
    return (*_demand_and_quality(situation), *_capacity(situation, option), *_decision(own))


def _demand_and_quality(situation: Situation) -> tuple[Step, ...]:
    asked = "the provider's usage export"
    if situation.data == "sensitive":
        asked = "an anonymised count of requests: nothing sensitive goes to a hosted API, not even to measure"
    return (
        Step(
            week=1,
            title="Measure the demand: tokens in and out by hour, repeated prompts, what may wait",
            how=f"{asked}; or let applications speak to a sandbox: `deploy up --profile poc`, "
            "then read `sum by (direction) (increase(gateway_tokens_total[1h]))`",
            stop="the week's tokens are less than half of what was answered here: answer again before going on",
        ),
        Step(
            week=1,
            title="Write an evaluation set of 100 to 300 real tasks with a pass mark, agreed with their owners",
            how="the team's own tasks; keep them under version control, they serve at each model refresh",
            stop="nobody can say what a good answer is: settle that first, no model will",
        ),
        Step(
            week=2,
            title="Rehearse everything that needs no GPU: sign-in, limits, records, dashboards, alerts",
            how="`deploy up --profile 2xh200`, `deploy verify`, `deploy token issue --client trial --ttl 8h`, "
            "`deploy down`",
            stop="`deploy verify` reports a check that does not hold",
        ),
    )


def _capacity(situation: Situation, option: Hardware) -> tuple[Step, ...]:
    promised = situation.latency
    rate = option.speed.typical
    return (
        Step(
            week=2,
            title="Let two open models answer the evaluation set",
            how="`deploy size MODEL --gpu GPU --count N` says where they fit; run them on a host rented by the hour",
            stop="neither reaches the pass mark with the escalation that a hybrid allows: stay with the API",
        ),
        Step(
            week=3,
            title=f"Load one replica with recorded traffic, on the GPUs of {option.host}, rented for a day or two",
            how="`sum(rate(vllm:generation_tokens_total[5m]))`, `vllm:num_requests_waiting`, "
            "`vllm:kv_cache_usage_perc`, `increase(vllm:num_preemptions_total[1h])`",
            stop=f"less than {option.speed.low:,.0f} generated tokens/s per replica ({rate:,.0f} were assumed): "
            "put the measured figure into `tokens_per_s` and assess again",
        ),
        Step(
            week=3,
            title="Check the promised latency at that load",
            how="`histogram_quantile(0.95, sum by (le) (rate(vllm:time_to_first_token_seconds_bucket[5m])))`, and the "
            "same of `vllm:inter_token_latency_seconds_bucket`",
            stop=f"the 95th percentile is above {promised.first_token_ms:,.0f} ms to the first token or "
            f"{promised.between_tokens_ms:,.0f} ms between tokens: fewer streams per replica, so more replicas",
        ),
    )


def _decision(own: Bill) -> tuple[Step, ...]:
    return (
        Step(
            week=4,
            title="Count the hours that people spent, and rehearse a failure and a model change",
            how="`deploy status`, `deploy logs`, the runbooks below docs/runbooks; a timesheet",
            stop="more hours than the staff share assumed: put the measured share into `[team]` and assess again",
        ),
        Step(
            week=4,
            title="Get two binding quotes, for the machines and for the API at the measured volume",
            how="put them into a file of prices: `deploy assess --answers FILE --prices QUOTES`",
            stop="the advice changes with the quotes or with a figure measured: go with the one that binds least",
        ),
        Step(
            week=4,
            title="Decide, with a date for looking again",
            how="`deploy assess --answers FILE --html OUT.html`, kept with the measured answers",
            stop=f"expected utilisation is below {max(own.utilisation / 2, 0.05):.0%}: do not bind capacity for months",
        ),
    )
