"""A study and what was asked become registered versions: each found, or built with its sources."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fincompress import search
from fincompress.addresses import masked, storage_address
from fincompress.artifact import Artifact, sha256
from fincompress.build import Recipe, build, plan
from fincompress.card import MODEL_CARD, model_card
from fincompress.data import LABELS, SAMPLE, DataConfig, Sentences, Splits, load_splits
from fincompress.data.resemblance import near_duplicates
from fincompress.data.sources import read_file
from fincompress.evaluation.measurement import EXTRA, TEST, VAL, labelled
from fincompress.experiments import (
    ALL,
    BASE,
    Study,
    VariantSpec,
    load_study,
    load_variants,
    root_of,
)
from fincompress.models.checkpoint import Base, import_checkpoint, random_base
from fincompress.recording import RunReport, log_manifest, log_recipe
from fincompress.spec import UserError
from fincompress.techniques import Inputs
from fincompress.tracking import registry, runs
from fincompress.tracking.store import lock, open_store
from fincompress.training import Budget

TRAINED, RANDOM = WEIGHTS = ("trained", "random")
FEW = 64  # sentences that models of random weights are built with
ONE_EPOCH = Budget(epochs=1, patience=1)


@dataclass(frozen=True)
class Options:
    """What was asked, with the defaults of every verb."""

    study: str = "quickstart"
    variant: str = ALL
    data_dir: Path | None = None
    again: bool = False
    promote: bool = True
    seeds: int = 1
    ablations: str = ""
    extra_test: Path | None = None
    dry_run: bool = False
    rollback: bool = False
    weights: str = TRAINED
    commit_to: Path | None = None
    tuned: bool = False
    trials: int = 30
    workers: int = 1
    epochs: int | None = None
    max_latency_ms: float | None = None
    max_f1_drop: float | None = None
    storage: str = ""
    port: int = search.PORT
    asked: Mapping[str, str] = field(default_factory=dict)  # as `mlflow run` would log it


@dataclass
class Workshop:
    """One command's study, variants and data, and the versions it has made or found.

    Of the variants, those in `unregistered` are runs and never versions.
    """

    options: Options
    study: Study
    variants: Mapping[str, VariantSpec]
    scratch: Path
    versions: dict[str, registry.Version] = field(default_factory=dict)
    unregistered: frozenset[str] = frozenset()

    @cached_property
    def splits(self) -> Splits:
        from_environment = os.environ.get("FINCOMPRESS_DATA_DIR")
        folder = self.options.data_dir or (Path(from_environment) if from_environment else None)
        data = self.study.data
        if self.random and folder is None:
            data = DataConfig(sources=(SAMPLE,))  # sentences to time, where there are no others
        return load_splits(data, folder)

    @cached_property
    def pretrained(self) -> dict[Base, Artifact]:
        """The study's bases, imported once; random ones of their shapes, where it gives any."""
        study, found = self.study, dict[Base, Artifact]()
        for place, base in enumerate(dict.fromkeys([study.student_base, study.base])):
            out = self.scratch / f"base-{place}"
            if self.random and base.shape is not None and found:
                found[base] = random_base(base.shape, found[study.student_base], study.seed, out)
            else:
                found[base] = import_checkpoint(base, study.max_length_tokens, study.seed, out)
        return found

    @cached_property
    def extra(self) -> Sentences | None:
        """The user's own labelled sentences, to be answered too."""
        path = self.options.extra_test
        return Sentences.of(read_file(path)) if path else None

    def extra_facts(self) -> str:
        """What the user's own sentences are, and how many resemble what was learned from."""
        assert self.extra is not None and self.options.extra_test is not None
        path, counts = self.options.extra_test, Counter(self.extra.labels)
        learned = self.splits.train.texts + self.splits.transfer.texts + self.splits.val.texts
        known = near_duplicates(self.extra.texts, learned)
        classes = ", ".join(f"{counts[index]} {label}" for index, label in enumerate(LABELS))
        return (
            f"{path.name} (sha256 {sha256(path)[:16]}): {classes}; "
            f"{known} near duplicates of sentences that were learned from or chose"
        )

    def facts(self) -> dict[str, str]:
        """The data and the seed, as a model card has them."""
        found = {"data": self.data_line, "seed": str(self.study.seed)}
        transfer = len(self.splits.transfer.texts)
        return found | (
            {"transfer set": f"{transfer} sentences without labels"} if transfer else {}
        )

    def answered(self) -> dict[str, Sentences]:
        """By part, the sentences that models are judged by: none where they are not trained."""
        if self.random:
            return {}
        extra = {EXTRA: self.extra} if self.extra else {}
        return {VAL: self.splits.val, TEST: self.splits.test, **extra}

    def sources(self) -> dict[str, str]:
        """The variant that each variant was made from."""
        return {n: s.source for n, s in self.variants.items() if s.source != BASE}

    def beside(self, folder: str, **changes: Any) -> "Workshop":
        """A workshop over the same data, with a scratch folder and versions of its own."""
        made = replace(self, scratch=self.scratch / folder, **({"versions": {}} | changes))
        made.__dict__ |= {"splits": self.splits, "extra": self.extra}  # what it has read already
        return made

    @property
    def random(self) -> bool:
        """Whether models are built for their shapes alone, and never registered."""
        return self.options.weights == RANDOM

    @property
    def notes(self) -> tuple[str, ...]:
        """Licences and warnings that every run and model of this study carries."""
        bases = (self.study.base.note, self.study.student_base.note)
        return tuple(dict.fromkeys(n for n in (*self.splits.notes, *bases) if n))

    @property
    def note(self) -> str:
        return "\n\n".join(self.notes)

    def labelled(self, text: str) -> str:
        return labelled(text, self.splits.synthetic)

    @property
    def data_line(self) -> str:
        splits = self.splits
        sizes = " / ".join(str(len(sentences)) for sentences in splits.parts().values())
        return f"{self.labelled(splits.name)}, {sizes}, fingerprint {splits.fingerprint[:16]}"

    def tags(self, stage: str, **more: str) -> dict[str, str]:
        return {"stage": stage, "study": self.study.name, **more}


@contextmanager
def workshop(options: Options) -> Iterator[Workshop]:
    if options.extra_test and options.weights == RANDOM:
        raise UserError("extra_test: random weights are not scored; leave out one of both")
    study, variants = load_study(options.study), load_variants()
    open_store()
    if options.tuned:
        variants = _tuned(options, variants)
    with tempfile.TemporaryDirectory(prefix="fincompress-") as scratch:
        shop = Workshop(options, study, variants, Path(scratch))
        _ = shop.extra  # what cannot be read is said before anything is built
        yield shop


def _tuned(options: Options, variants: Mapping[str, VariantSpec]) -> dict[str, VariantSpec]:
    """The variants with the values of their best trials, where they have been tuned."""
    storage = search.open_storage(address := storage_address(options.storage))
    found = {name: search.best_trial(storage, f"{options.study}/{name}/") for name in variants}
    if not any(found.values()) or (options.variant != ALL and not found.get(options.variant)):
        asked = f"--study {options.study} --variant {options.variant}"
        raise UserError(
            f"tuned: {masked(address)} has no finished trial of what was asked for; "
            f"run: fincompress tune {asked}"
        )
    tuned = {}
    for name, spec in variants.items():
        tuned[name] = spec
        if best := found[name]:
            values = ", ".join(f"{key} {value}" for key, value in best.values.items())
            print(f"{name}: tuned by trial {best.trial}: {values}")
            tuned[name] = spec.tuned(best.values)
    return tuned


def build_all(shop: Workshop, wanted: Iterable[str]) -> None:
    for name in wanted:
        _version(shop, name, again=shop.options.again)


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
        report = RunReport(spec.name, shop.labelled(f"{spec.name}, {shop.study.name}"), folder)
        artifact = build(recipe, folder / registry.ARTIFACT, report)
        log_manifest(artifact.manifest)
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
