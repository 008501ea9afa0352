"""A study and what was asked for: its variants, data and bases, and the versions found or built."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from fincompress.artifact import Artifact, sha256
from fincompress.commands.failures import check_complete
from fincompress.commands.options import RANDOM, Options
from fincompress.config import UserError
from fincompress.data import LABELS, SAMPLE, DataConfig, Sentences, Splits, load_splits
from fincompress.data.near_duplicates import near_duplicates
from fincompress.data.sources import read_file
from fincompress.evaluation.results import EXTRA, TEST, VAL, labelled
from fincompress.machine.cpu import usable_cores
from fincompress.models.checkpoint import Base, import_checkpoint, random_base
from fincompress.studies.study import Study, load_study
from fincompress.studies.variants import ALL, BASE, VariantSpec, load_variants
from fincompress.tracking import registry, runs
from fincompress.tracking.addresses import masked, storage_address
from fincompress.tracking.store import open_store
from fincompress.tuning import trial_queue


@dataclass
class Workshop:
    """One command's study, variants and data, and the versions it has made or found.

    Of the variants, those in `unregistered` are runs and never versions. `failed` says why there
    is no version of some: by `title`, for every seed.
    """

    options: Options
    study: Study
    variants: Mapping[str, VariantSpec]
    scratch: Path
    versions: dict[str, registry.Version] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
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

    def title(self, name: str) -> str:
        """A variant's name in messages: with the seed, where there are several."""
        return f"{name}, seed {self.study.seed}" if self.options.seeds > 1 else name

    def tags(self, stage: str, **more: str) -> dict[str, str]:
        return {"stage": stage, "study": self.study.name, **more}


@contextmanager
def workshop(options: Options) -> Iterator[Workshop]:
    if options.extra_test and options.weights == RANDOM:
        raise UserError("extra_test: random weights are not scored; leave out one of both")
    study, variants = on_this_machine(load_study(options.study)), load_variants()
    torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
    open_store()
    if options.tuned:
        variants = _tuned(options, variants)
    with tempfile.TemporaryDirectory(prefix="fincompress-") as scratch:
        shop = Workshop(options, study, variants, Path(scratch))
        _ = shop.extra  # what cannot be read is said before anything is built
        yield shop


def on_this_machine(study: Study) -> Study:
    """The study with no more threads to measure with than this process has cores; said if fewer."""
    asked, cores = study.benchmark.threads, usable_cores()
    if asked <= cores:
        return study
    print(
        f"benchmark.threads: {asked} in experiments/{study.name}.yaml, and this process may use "
        f"{cores}: measured with {cores}",
        flush=True,
    )
    return replace(study, benchmark=replace(study.benchmark, threads=cores))


def _tuned(options: Options, variants: Mapping[str, VariantSpec]) -> dict[str, VariantSpec]:
    """The variants with the values of their best trials, where they have been tuned."""
    storage = trial_queue.open_storage(address := storage_address(options.storage))
    found = {name: trial_queue.best_trial(storage, f"{options.study}/{name}/") for name in variants}
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


@contextmanager
def _command(shop: Workshop, name: str) -> Iterator[list[str]]:
    """The run of a command that consists of several steps.

    It ends with the versions, and then with the texts that were put into the list it yields. Raises
    `IncompleteError`, in which the run fails, if there is none of some variants.
    """
    tags = {"study": shop.study.name}
    note = "\n\n".join([shop.study.description, *shop.notes])
    with runs.step(f"{name} {shop.study.name}", tags, note):
        runs.log_config(shop.options.asked, "options.json")
        last_words: list[str] = []
        yield last_words
        found = {name: version.number for name, version in shop.versions.items()}
        runs.log_json(found, "versions.json")
        for version in shop.versions.values():
            if version.number is None:  # of random weights
                continue
            f1 = version.artifact.manifest.metrics["val/macro_f1"]
            alias = shop.variants[version.variant].alias
            said = f"{version.model_name}@{alias}: version {version.number}, validation F1 {f1:.4f}"
            print(shop.labelled(said))
        for text in last_words:
            print(f"\n{text}", flush=True)
        if shop.failed:
            runs.log_json(dict(shop.failed), "failed.json")
        check_complete(shop.failed)
