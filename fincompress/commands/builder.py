"""Builder: finds the registered version of a variant's recipe, or builds it with its sources."""

from collections.abc import Callable, Collection, Iterable

from fincompress.build import Recipe, build, plan
from fincompress.commands.failures import SKIPPED, spared
from fincompress.commands.workspace import Workshop
from fincompress.config import UserError
from fincompress.promotion import TEACHER
from fincompress.reports.build_run import RunCallback, log_artifact, log_recipe
from fincompress.reports.model_card import MODEL_CARD, model_card
from fincompress.studies.variants import ALL, BASE, VariantSpec, root_of
from fincompress.techniques import Inputs
from fincompress.tracking import registry, runs
from fincompress.tracking.store import lock
from fincompress.training.loop import Budget

FEW = 64  # sentences that models of random weights are built with
ONE_EPOCH = Budget(epochs=1, patience=1)


def build_all(shop: Workshop, wanted: Collection[str]) -> None:
    """Find or build the variants `wanted`, and first whatever they are made from.

    What fails is left out, as `for_each` says.
    """
    needed = set[str]()
    for name in wanted:
        while name != BASE and name not in needed:
            needed.add(name)
            name = shop.variants[name].source
    ordered = [name for name in shop.variants if name in needed]  # sources first
    again = set(wanted) if shop.options.again else set()
    for_each(shop, ordered, lambda name: _version(shop, name, again=name in again))


def for_each(shop: Workshop, names: Iterable[str], act: Callable[[str], object]) -> None:
    """Call `act` with each variant; one that fails is left out, and so is what is made from it.

    The reasons go into `shop.failed`. Raises what the teacher, or a variant that was asked for by
    name, fails with, and what no other variant would be spared.
    """
    for name in names:
        source = shop.variants[name].source
        if shop.title(name) in shop.failed:
            continue
        if lost := shop.failed.get(shop.title(source)):
            why = f"{SKIPPED}made from {source}, which failed"
            shop.failed[shop.title(name)] = lost if lost.startswith(SKIPPED) else why
        elif name == TEACHER or shop.options.variant != ALL:
            act(name)
        else:
            with spared(shop.failed, shop.title(name)):
                act(name)


def _version(shop: Workshop, name: str, again: bool = False) -> registry.Version:
    """Return the variant's version for today's recipe: found, or built with its sources."""
    if name not in shop.versions:
        spec = shop.variants[name]
        recipe = make_recipe(shop, spec, ONE_EPOCH if shop.random else None)
        if shop.random:
            shop.versions[name] = _build(shop, spec, recipe)
            return shop.versions[name]
        with lock(f"{shop.study.name}/{name}"):  # a second process waits, and then reuses
            found = None if again else _find(shop, spec, recipe.fingerprint)
            shop.versions[name] = found or _build(shop, spec, recipe)
    return shop.versions[name]


def _find(shop: Workshop, spec: VariantSpec, fingerprint: str) -> registry.Version | None:
    if spec.name in shop.unregistered:
        found = registry.find_kept(shop.study, spec, fingerprint, shop.scratch)
        if found:
            print(f"{spec.name}: run {found.run_id} is up to date")
        return found
    found = registry.find(shop.study, spec, fingerprint, shop.scratch)
    if found:
        found = registry.renew(shop.study, spec, found)
        print(f"{spec.name}: version {found.number} is up to date")
    return found


def make_recipe(shop: Workshop, spec: VariantSpec, budget: Budget | None = None) -> Recipe:
    """Return how `spec` is built, from sources that are found or built first.

    `budget` is for a build that is no version of the study. Raises `UserError` if the config
    cannot be resolved.
    """
    if spec.source == BASE:
        source = teacher = shop.pretrained[shop.study.base]
    else:
        source = _version(shop, spec.source).artifact
        teacher = _version(shop, root_of(shop.variants, spec.name)).artifact
    inputs = Inputs.of(
        shop.splits.first(FEW) if shop.random else shop.splits,
        corpus=shop.splits.train.texts,
        source=source,
        teacher=teacher,
        pretrained=shop.pretrained[shop.study.student_base],
        budget=budget or spec.budget(shop.study.budget),
        seed=shop.study.seed,
        technique=spec.technique,
        runtime=spec.runtime,
        shape_only=shop.random,
    )
    try:
        return plan(inputs, spec.config, shop.splits.fingerprint)
    except UserError as error:
        raise UserError(f"{spec.name}: {error}") from None


def _build(shop: Workshop, spec: VariantSpec, recipe: Recipe) -> registry.Version:
    tags = shop.tags(
        "build",
        variant=spec.name,
        technique=spec.technique,
        fingerprint=recipe.fingerprint,
        synthetic=str(shop.splits.synthetic).lower(),
    )
    with runs.step(spec.name, tags, shop.note) as run_id:
        log_recipe(spec, recipe)
        # The registry keeps the folder under the name it has here.
        folder = shop.scratch / spec.name
        report = RunCallback(spec.name, shop.labelled(f"{spec.name}, {shop.study.name}"), folder)
        artifact = build(recipe, folder / registry.ARTIFACT, report)
        print(f"{spec.name}: runs on {log_artifact(artifact, spec.runtime)}", flush=True)
        if shop.random:
            return registry.Version(shop.study.model_name, None, spec.name, run_id, None, artifact)
        if spec.name in shop.unregistered:
            return registry.keep(shop.study, spec, artifact)
        card = folder / MODEL_CARD
        card.write_text(
            model_card(shop.study, spec, artifact.manifest, shop.facts()), encoding="utf-8"
        )
        runs.log_file(card)
        return registry.publish(shop.study, spec, artifact, card)
