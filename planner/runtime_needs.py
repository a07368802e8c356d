"""What an engine fetches while it runs, and how it does without: decided by engine and by the model's architecture."""

from __future__ import annotations

from collections.abc import Iterable

from planner.catalogue import Catalogue
from planner.catalogue.rows import RuntimeNeed
from planner.layout import CURRENT_BUNDLE
from planner.profile import Profile


def needs_of(catalogue: Catalogue, engine: str, architectures: Iterable[str]) -> tuple[RuntimeNeed, ...]:
    """Return what an engine needs for a model, in the table's order.

    Args:
        catalogue: all rows.
        engine: a row of `engines.toml`.
        architectures: as the model's configuration names them; what the table does not know gets what all need.

    """
    particular = {name for row in catalogue.architectures.values() for name in row.needs}
    wanted = {
        name for one in architectures if one in catalogue.architectures for name in catalogue.architectures[one].needs
    }
    return tuple(
        need
        for need in catalogue.needs.values()
        if need.engine == engine and (need.name not in particular or need.name in wanted)
    )


def engine_environment(needs: Iterable[RuntimeNeed]) -> dict[str, str]:
    """Return the variables that keep an engine from the network; `{data}` is left for the layout to fill in."""
    return {
        name: value.replace("{bundle}", CURRENT_BUNDLE) for need in needs for name, value in sorted(need.env.items())
    }


def read_by_engine(
    profile: Profile, catalogue: Catalogue, source: str, architectures: Iterable[str]
) -> tuple[str, ...]:
    """Return the folders of a host that an engine reads: a container is shown no others.

    Args:
        profile: whose engine it is.
        catalogue: what it would fetch.
        source: where its weights are.
        architectures: as the model's configuration names them.

    """
    adapters = profile.model.lora.adapters.values() if profile.model.lora else ()
    needs = needs_of(catalogue, "vllm", architectures)
    fetched = (f"{CURRENT_BUNDLE}/{file.path.rpartition('/')[0]}" for need in needs for file in need.files)
    return tuple(sorted({path for path in (source, *adapters, *fetched) if path.startswith("/")}))
