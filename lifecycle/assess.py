"""`deploy assess`: answers and prices in, an assessment and its page out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.model_config import config_of
from lifecycle.profiles import load_profile
from planner.assess.assessment import assess
from planner.assess.example import EXAMPLE
from planner.assess.report import Assessment
from planner.assess.situation import Hardware, Latency, Situation, Throughput
from planner.assess.situation_text import check, parse_situation
from planner.catalogue import Catalogue
from planner.cost import Work, throughput_of
from planner.errors import UsageError
from planner.model_choice import choose_model
from planner.profile import DemandSection
from planner.replica import fit_replica

MAX_BYTES = 256 * 1024
"""No answers are larger; a larger file is some other file."""


def load_situation(path: Path) -> Situation:
    """Read answers from a file.

    Raises:
        UsageError: it cannot be read, or is not what answers look like.

    """
    return parse_situation(read_text(path), str(path))


def judge(situation: Situation, catalogue: Catalogue) -> Assessment:
    """Return the assessment.

    Raises:
        UsageError: the answers contradict one another, or name what the catalogue lacks.

    """
    check(situation)
    hardware = tuple(_with_speed(option, situation.latency, catalogue) for option in situation.hardware)
    return assess(msgspec.structs.replace(situation, hardware=hardware), catalogue)


def _with_speed(option: Hardware, latency: Latency, catalogue: Catalogue) -> Hardware:
    """Predict what a copy of the option's profile generates within the promised latency, and how many copies fit.

    Raises:
        UsageError: there is no such profile or host.
        PlanError: the profile's model does not fit the host, or one request alone misses the latency.

    """
    if option.tokens_per_s is not None:
        return option
    profile = load_profile(option.profile)
    host, gpu = catalogue.host(option.host), catalogue.gpu(profile.hardware.gpu)
    if host.gpu != gpu.name or host.gpus < profile.hardware.count:
        raise UsageError(
            f"{option.host} has {host.gpus} {host.gpu}; {option.profile} wants {profile.hardware.count} {gpu.name}",
            hint="Name another host or profile, or give `tokens_per_s` as measured.",
        )
    usual = profile.demand or DemandSection(peak_concurrency=1)
    demand = msgspec.structs.replace(
        usual, first_token_ms=latency.first_token_ms, token_latency_ms=latency.between_tokens_ms
    )
    chosen = choose_model(profile.model, catalogue, config_of(profile.model))
    fitted = fit_replica(msgspec.structs.replace(profile, demand=demand), chosen, gpu, host)
    speed = throughput_of(Work(replicas=1, replica=fitted.replica, demand=demand))
    if speed is None:
        raise UsageError(f"the speed of {option.profile} is not predicted", hint="Give `tokens_per_s` as measured.")
    copies = option.replicas_per_host if option.replicas_per_host > 1 else host.gpus // profile.hardware.count
    predicted = Throughput(low=speed.low, typical=speed.typical, high=speed.high)
    return msgspec.structs.replace(option, tokens_per_s=predicted, replicas_per_host=copies)


def refuse_bad_place(path: Path) -> None:
    """Make sure that a page can be written there.

    Raises:
        UsageError: there is no such folder, or a folder has that name.

    """
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(
            f"{path} is no place for a page",
            hint=f"Name a file; the folder {path.parent} must exist. Nothing was written.",
        )


def write_page(assessment: Assessment, path: Path) -> None:
    """Write the page; only its owner can read it.

    Raises:
        OSError: the folder is missing, full or read-only.

    """
    from templates.assess_page import render_assessment  # noqa: PLC0415 - templates and charts: only when one is asked

    files.write(path, render_assessment(assessment, dt.datetime.now(dt.UTC).date()))


def write_answers(situation: Situation, path: Path) -> None:
    """Keep the answers as a file for `--answers`.

    Raises:
        UsageError: there is a file already, or no folder for it.

    """
    from templates.answers import render_answers  # noqa: PLC0415 - templates: only when a file is written

    if path.exists() or not path.parent.is_dir():
        raise UsageError(f"{path} exists already, or its folder does not", hint="Name a new file. Nothing was written.")
    files.write(path, render_answers(situation))


def example_text() -> str:
    """Return a file of answers to start from."""
    from templates.answers import render_answers  # noqa: PLC0415 - templates: only when a file is written

    return render_answers(EXAMPLE)


def read_text(path: Path) -> str:
    """Return a small text file.

    Raises:
        UsageError: it is missing, too large, or no text.

    """
    hint = "`deploy assess --example > answers.toml` makes one to start from."
    try:
        return files.read_text(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", hint=hint, code="answers_invalid") from error
