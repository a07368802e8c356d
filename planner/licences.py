"""Licences gate plans: what forbids the use is refused until somebody says that it is allowed to them."""

from __future__ import annotations

from planner.catalogue.rows import Licence, Model
from planner.errors import PlanError


def check_licence(model: Model, licence: Licence, *, accepted: tuple[str, ...]) -> None:
    """Refuse a model whose licence forbids commercial use, unless the licence is accepted by name.

    Args:
        model: what is to be served.
        licence: the row that the model names.
        accepted: names of licences that somebody has read and answers for.

    Raises:
        PlanError: the licence forbids commercial use and is not accepted.

    """
    if licence.commercial != "no" or licence.name in accepted:
        return
    raise PlanError(
        f"{model.title} is under the {licence.title}, which forbids commercial use. {licence.terms}",
        hint=f"If your use is allowed (research, or a licence of your own from the vendor), say so with "
        f'`--accept-licence`, or in the profile with `model.accept_licence = "{licence.name}"`. '
        "`deploy models --licence-commercial yes` lists models without such terms.",
        code="licence_not_accepted",
    )


def licence_notes(licence: Licence) -> tuple[str, ...]:
    """Return what a plan says of a licence that is more than permissive: its terms, and how sure they are."""
    if licence.commercial == "yes":
        return ()
    doubt = "" if licence.sure("terms") else f" (from secondary pages, as of {licence.as_of}: read the licence itself)"
    return (f"{licence.title}: {licence.terms}{doubt}",)
