"""The workspace of a command: what it was asked for, and what it has read and opened."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from fincompress import studies
from fincompress.artifact import sha256
from fincompress.commands.keeping import InRegistry, Keeping, Nowhere
from fincompress.commands.options import RANDOM, TRAINED, Options
from fincompress.config import UserError
from fincompress.data import SAMPLE, SENTIMENT, DataConfig, Sentences, Splits, load_splits
from fincompress.data.behaviour import HELD_OUT, Family, families_fingerprint, load_families
from fincompress.data.files import TableFormat, read_file
from fincompress.data.near_duplicates import near_duplicates
from fincompress.evaluation.results import (
    BEHAVIOUR_TESTS,
    EXTRA,
    EXTRA_TEST,
    TEST,
    VAL,
    mark_synthetic,
)
from fincompress.machine.cpu import usable_cores
from fincompress.studies import ALL
from fincompress.studies.study import Study
from fincompress.studies.variants import BASE, VariantSpec, load_variants
from fincompress.tracking.addresses import masked, storage_address
from fincompress.tracking.store import open_store
from fincompress.training.loop import Budget
from fincompress.tuning import trial_queue


@dataclass(frozen=True)
class Weights:
    """What the option `weights` decides for a whole command.

    `random`: models are built for their shapes alone; none of their answers is scored. `keeping`:
    where variants are kept. `budget`: the training of every variant, in place of the study's.
    `sentences`: how many of training and of validation are used at most, in place of all.
    """

    random: bool
    keeping: Keeping
    budget: Budget | None = None
    sentences: int | None = None


_WEIGHTS = {
    TRAINED: Weights(random=False, keeping=InRegistry()),
    RANDOM: Weights(
        random=True, keeping=Nowhere(), budget=Budget(epochs=1, patience=1), sentences=64
    ),
}


@dataclass(frozen=True)
class Workspace:
    """What one command has read and opened. Nothing in it changes.

    `options`: what was asked for. `study` and `variants`: as their files have them, with tuned
    values where these were asked for. `scratch`: a folder that goes with the command.
    `read_splits`: reads the study's data at the first call. `extra`: the user's own labelled
    sentences, which are scored beside the study's test. `weights`: trained or random.
    `kept_elsewhere`: the variants that are kept in another place than `weights` says. `families`:
    the behavioural tests that models are scored on, as well.
    """

    options: Options
    study: Study
    variants: Mapping[str, VariantSpec]
    scratch: Path
    read_splits: Callable[[], Splits]
    extra: Sentences | None
    weights: Weights
    kept_elsewhere: Mapping[str, Keeping]
    families: tuple[Family, ...] = ()

    @property
    def splits(self) -> Splits:
        """The data of the study, read when they are first needed."""
        return self.read_splits()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the study's labels."""
        return self.study.data.labels

    @property
    def scored(self) -> dict[str, Sentences]:
        """By part, the sentences that models are scored on: none if their weights are random."""
        if self.weights.random:
            return {}
        extra = {EXTRA: self.extra} if self.extra else {}
        return {VAL: self.splits.val, TEST: self.splits.test, **extra}

    @property
    def sources(self) -> dict[str, str]:
        """The variant that each variant is made from, without those made from a base."""
        return {n: spec.source for n, spec in self.variants.items() if spec.source != BASE}

    @property
    def notes(self) -> tuple[str, ...]:
        """Licences and warnings that every run and model of this study carries."""
        bases = (self.study.base.note, self.study.student_base.note)
        return tuple(dict.fromkeys(n for n in (*self.splits.notes, *bases) if n))

    @property
    def note(self) -> str:
        """The notes as one text, for MLflow's description of a run."""
        return "\n\n".join(self.notes)

    @property
    def data_line(self) -> str:
        """The name, sizes and fingerprint of the split, in one line."""
        splits = self.splits
        sizes = " / ".join(str(len(sentences)) for sentences in splits.parts().values())
        return f"{self.labelled(splits.name)}, {sizes}, fingerprint {splits.fingerprint[:16]}"

    @property
    def data_facts(self) -> dict[str, str]:
        """The data and the seed, as a model card lists them."""
        facts = {"data": self.data_line, "seed": str(self.study.seed)}
        if origins := Counter(self.splits.training_only.sentences.origins):
            counted = ", ".join(f"{count} of {origin}" for origin, count in origins.items())
            facts["read by training alone"] = counted
        if count := len(self.splits.unlabelled):
            facts["transfer set"] = f"{count} sentences without labels"
        return facts

    def keeping(self, variant: str) -> Keeping:
        """Where the builds of a variant are kept."""
        return self.kept_elsewhere.get(variant, self.weights.keeping)

    def labelled(self, text: str) -> str:
        """Return `text` with a mark if the study's data is synthetic."""
        return mark_synthetic(text, self.splits.synthetic)

    def title(self, variant: str) -> str:
        """Return a variant's name for messages: with the seed, where there are several."""
        return f"{variant}, seed {self.study.seed}" if self.options.seeds > 1 else variant

    def tags(self, stage: str, **more: str) -> dict[str, str]:
        """Return the tags of a run of this study."""
        return {"stage": stage, "study": self.study.name, **more}


def describe_scored(workspace: Workspace) -> dict[str, str]:
    """Return what variants are scored on besides the splits, as facts of an environment.

    They are the version of the behavioural tests, and what the user's own files hold.
    """
    facts = {}
    if workspace.families:
        facts[BEHAVIOUR_TESTS] = families_fingerprint(workspace.families, HELD_OUT)[:16]
    if workspace.extra:
        facts[EXTRA_TEST] = _describe_extra(workspace, workspace.extra)
    return facts


def _describe_extra(workspace: Workspace, extra: Sentences) -> str:
    """What each file holds, and how many sentences resemble those learned from or chosen by."""
    splits = workspace.splits
    known = splits.learned.texts + splits.transfer.texts + splits.val.texts
    described = []
    for file in workspace.options.extra_test:
        own = extra.of_origins({file.stem})
        counts = Counter(own.labels)
        classes = ", ".join(
            f"{counts[index]} {label}" for index, label in enumerate(own.label_names)
        )
        described.append(
            f"{file.name} (sha256 {sha256(file)[:16]}): {classes}; "
            f"{near_duplicates(own.texts, known)} near duplicates of sentences that were learned "
            "from or chose"
        )
    return "; ".join(described)


@contextmanager
def open_workspace(options: Options) -> Iterator[Workspace]:
    """Read the study and its variants, open the store, and make a scratch folder.

    Raises `UserError` for wrong files or options, and for a store that does not answer.
    """
    weights = _WEIGHTS[options.weights]
    if options.extra_test and weights.random:
        raise UserError("extra_test: random weights are not scored; leave out one of both")
    study, variants = limit_threads(Study.load(options.study)), load_variants(options.study)
    torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
    open_store()
    if options.tuned:
        variants = _with_best_trials(options, variants)
    extra = _read_extra(options.extra_test, study.data.table)
    folder = options.data_dir or _data_dir_of_environment()
    data = study.data
    if weights.random and folder is None and data.of_corpora and data.labels == SENTIMENT:
        data = DataConfig(sources=(SAMPLE,))  # sentences to time, where there are no others
    with tempfile.TemporaryDirectory(prefix="fincompress-") as scratch:
        yield Workspace(
            options=options,
            study=study,
            variants=variants,
            scratch=Path(scratch),
            read_splits=cache(lambda: load_splits(data, folder)),
            extra=extra,
            weights=weights,
            kept_elsewhere={},
            families=_families(study) if not weights.random else (),
        )


def limit_threads(study: Study) -> Study:
    """Return the study with no more threads to measure with than this process has cores.

    Says so where they are fewer than the study's.
    """
    threads, cores = study.benchmark.threads, usable_cores()
    if threads <= cores:
        return study
    print(
        f"benchmark.threads: {threads} in experiments/{study.name}.yaml, and this process may use "
        f"{cores}: measured with {cores}",
        flush=True,
    )
    return replace(study, benchmark=replace(study.benchmark, threads=cores))


def _read_extra(files: Sequence[Path], table: TableFormat) -> Sentences | None:
    """The sentences of the user's own files, whose scores are told apart by the files' names."""
    twice = [name for name, count in Counter(file.stem for file in files).items() if count > 1]
    if twice:
        raise UserError(
            f"extra_test: two files are named '{twice[0]}', and scores go by these names; "
            "rename one"
        )
    rows = [row for file in files for row in read_file(file, table)]
    return Sentences.of(rows, table.labels) if rows else None


def _families(study: Study) -> tuple[Family, ...]:
    """The behavioural tests of a study; none in a checkout without their folder."""
    folder = studies.EXPERIMENTS / "behaviour"
    if study.behaviour and study.data.labels != SENTIMENT:
        raise UserError(
            f"behaviour: the behavioural tests are about {', '.join(SENTIMENT)}, in this order, "
            f"and data.labels are {', '.join(study.data.labels)}; write 'behaviour: false' in "
            f"experiments/{study.name}.yaml"
        )
    if study.behaviour and folder.is_dir():
        return load_families(folder)
    if study.gate.min_behaviour is not None:
        missing = f"{folder} is missing" if study.behaviour else "the study has 'behaviour: false'"
        raise UserError(
            f"gate.min_behaviour: {study.gate.min_behaviour} in experiments/{study.name}.yaml is "
            f"about the behavioural tests, and {missing}"
        )
    return ()


def _data_dir_of_environment() -> Path | None:
    folder = os.environ.get("FINCOMPRESS_DATA_DIR")
    return Path(folder) if folder else None


def _with_best_trials(
    options: Options, variants: Mapping[str, VariantSpec]
) -> dict[str, VariantSpec]:
    """The variants with the values of their best trials, where they have been tuned."""
    storage = trial_queue.open_storage(address := storage_address(options.storage))
    best = {name: trial_queue.best_trial(storage, f"{options.study}/{name}/") for name in variants}
    if not any(best.values()) or (options.variant != ALL and not best.get(options.variant)):
        wanted = f"--study {options.study} --variant {options.variant}"
        raise UserError(
            f"tuned: {masked(address)} has no finished trial of what was asked for; "
            f"run: fincompress tune {wanted}"
        )
    tuned = {}
    for name, spec in variants.items():
        tuned[name] = spec
        if trial := best[name]:
            values = ", ".join(f"{key} {value}" for key, value in trial.values.items())
            print(f"{name}: tuned by trial {trial.trial}: {values}")
            tuned[name] = spec.tuned(trial.values)
    return tuned
