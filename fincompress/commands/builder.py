"""Builder: finds the version of a variant's recipe, or builds it, with the sources it needs."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from fincompress.artifact import Artifact
from fincompress.build import Recipe, build, plan
from fincompress.commands.failures import SKIPPED_PREFIX, check_complete, spare_others
from fincompress.commands.workspace import Workspace
from fincompress.config import UserError
from fincompress.data import Splits
from fincompress.models.checkpoint import Base, describe_base, import_checkpoint, random_base
from fincompress.promotion import TEACHER
from fincompress.reports.build_run import RunCallback, log_artifact, log_recipe
from fincompress.studies import ALL
from fincompress.studies.study import Study
from fincompress.studies.variants import BASE, VariantSpec, root_of
from fincompress.techniques import Inputs
from fincompress.tracking import registry, runs
from fincompress.tracking.builds import WORK
from fincompress.tracking.registry import Version
from fincompress.tracking.store import lock
from fincompress.training.loop import Budget


@dataclass
class Builder:
    """The versions of a workspace's variants that a command has found or built.

    `workspace`: what the command has opened. `versions`: by variant. `failed`: why there is no
    version of some variants, by their `Workspace.title`. `announce`: is called with each variant
    whose build begins.
    """

    workspace: Workspace
    versions: dict[str, Version] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    announce: Callable[[str], None] = lambda variant: None

    def __post_init__(self) -> None:
        # Of extra seeds and ablations it is a folder of its own, which fetched files need.
        self.workspace.scratch.mkdir(parents=True, exist_ok=True)

    def build(self, wanted: Collection[str]) -> None:
        """Find or build the variants `wanted`, and first whatever they are made from.

        A variant that fails is left out, as `for_each` describes.
        """
        needed, waiting = set[str](), list(wanted)
        while waiting:
            name = waiting.pop()
            if name != BASE and name not in needed:
                needed.add(name)
                waiting += self.workspace.variants[name].sources
        ordered = [name for name in self.workspace.variants if name in needed]  # sources first
        again = set(wanted) if self.workspace.options.again else set()
        self.for_each(ordered, lambda name: self.version(name, again=name in again))

    def for_each(self, names: Iterable[str], act: Callable[[str], object]) -> None:
        """Call `act` with each variant; one that fails is left out, and so is what is made from it.

        The reasons go into `failed`. Raises what the teacher, or a variant that was asked for by
        name, fails with, and errors that every other variant would meet too.
        """
        workspace = self.workspace
        for name in names:
            title, sources = workspace.title(name), workspace.variants[name].sources
            if title in self.failed:
                continue
            failed = [source for source in sources if workspace.title(source) in self.failed]
            if failed:
                why = self.failed[workspace.title(failed[0])]
                skipped = f"{SKIPPED_PREFIX}made from {failed[0]}, which failed"
                self.failed[title] = why if why.startswith(SKIPPED_PREFIX) else skipped
            elif name == TEACHER or workspace.options.variant != ALL:
                act(name)
            else:
                with spare_others(self.failed, title):
                    act(name)

    def version(self, name: str, again: bool = False) -> Version:
        """Return the variant's version for today's recipe, found or built with its sources.

        `again` builds it even if it is found.
        """
        if name not in self.versions:
            workspace, spec = self.workspace, self.workspace.variants[name]
            recipe, keeping = self.recipe(spec), workspace.keeping(name)
            with lock(self._lock_name(name)):  # a second process waits, and then reuses
                version = None
                if not again:
                    version = keeping.find(
                        workspace.study, spec, recipe.fingerprint, workspace.scratch
                    )
                self.versions[name] = version or self._build(spec, recipe)
        return self.versions[name]

    def recipe(self, spec: VariantSpec, budget: Budget | None = None) -> Recipe:
        """Return how `spec` is built, from sources that are found or built first.

        `budget` is for a build that is no version of the study. Whoever builds calls `import_bases`
        first. Raises `UserError` if the config cannot be resolved.
        """
        workspace = self.workspace
        study, splits, weights = workspace.study, workspace.splits, workspace.weights
        if not weights.random:
            try:
                if spec.training_only is not None:
                    splits = splits.with_training_only(spec.training_only)
                if spec.transfer is not None:
                    splits = splits.with_transfer(spec.transfer)
            except UserError as error:
                raise UserError(f"{spec.name}: {error}") from None
        if spec.source == BASE:
            teacher = self.bases[study.base]
            sources = [teacher]
        else:
            sources = [self.version(source).artifact for source in spec.sources]
            teacher = self.version(root_of(workspace.variants, spec.name)).artifact
        inputs = Inputs.of(
            splits if weights.sentences is None else splits.first(weights.sentences),
            corpus=splits.learned.texts,
            sources=tuple(sources),
            teacher=teacher,
            pretrained=self.bases[study.student_base],
            budget=budget or weights.budget or spec.budget(study.budget),
            seed=study.seed,
            technique=spec.technique,
            runtime=spec.runtime,
            shape_only=weights.random,
        )
        try:
            return plan(inputs, spec.config, splits.training_fingerprint)
        except UserError as error:
            raise UserError(f"{spec.name}: {error}") from None

    @cached_property
    def bases(self) -> dict[Base, Artifact]:
        """The study's pretrained bases, described; or encoders of random weights in their shapes.

        What is described has no files until `import_bases`.
        """
        study, scratch = self.workspace.study, self.workspace.scratch
        length, seed, labels = study.max_length_tokens, study.seed, self.workspace.labels
        bases = dict[Base, Artifact]()
        for index, base in enumerate(dict.fromkeys([study.student_base, study.base])):
            out = scratch / f"base-{index}"
            if not self.workspace.weights.random:
                bases[base] = Artifact(out, describe_base(base, length, seed, labels))
            elif base.shape is not None and bases:
                bases[base] = random_base(base.shape, bases[study.student_base], seed, out)
            else:
                bases[base] = import_checkpoint(base, length, seed, out, labels)
        return bases

    def import_bases(self) -> None:
        """Write the files of the bases, which any build may read, unless that has been done."""
        study = self.workspace.study
        length, seed, labels = study.max_length_tokens, study.seed, self.workspace.labels
        for base, artifact in self.bases.items():
            if not artifact.path.exists():
                import_checkpoint(base, length, seed, artifact.path, labels)

    def _lock_name(self, variant: str) -> str:
        workspace = self.workspace
        return f"{workspace.study.name}/{variant} of {workspace.options.weights} weights"

    def _build(self, spec: VariantSpec, recipe: Recipe) -> Version:
        workspace = self.workspace
        study, splits = workspace.study, workspace.splits
        tags = workspace.tags(
            "build",
            variant=spec.name,
            technique=spec.technique,
            fingerprint=recipe.fingerprint,
            synthetic=str(splits.synthetic).lower(),
        )
        self.announce(spec.name)
        with runs.step(spec.name, tags, workspace.note) as run_id:
            log_recipe(spec, recipe)
            runs.log_metrics({WORK: study_work(study, splits, self.bases[study.base])})
            self.import_bases()
            # The registry keeps the folder under the name it has here.
            folder = workspace.scratch / spec.name
            title = workspace.labelled(f"{spec.name}, {study.name}")
            callback = RunCallback(spec.name, title, folder)
            artifact = build(recipe, folder / registry.ARTIFACT, callback)
            print(f"{spec.name}: runs on {log_artifact(artifact, spec.runtime)}", flush=True)
            keeping = workspace.keeping(spec.name)
            return keeping.keep(study, spec, artifact, run_id, workspace.data_facts)


def study_work(study: Study, splits: Splits, base: Artifact) -> float:
    """Return a measure of how much a study trains, by which its builds' times are compared.

    It is the sentences that an epoch draws, times the epochs, times the base's parameters.
    """
    budget, unlabelled = study.budget, len(splits.unlabelled)
    drawn = min(unlabelled, budget.transfer_per_epoch or unlabelled)
    return float((len(splits.learned) + drawn) * budget.epochs * base.manifest.parameters)


@contextmanager
def command_run(builder: Builder, name: str) -> Iterator[list[str]]:
    """Open the run of a command that consists of several steps.

    Yields a list for the texts that the command is to print last. At its end the run has the
    versions, which are printed, and why some variants have none. Raises `IncompleteError`, with
    which the run fails, if there are such.
    """
    workspace = builder.workspace
    note = "\n\n".join([workspace.study.description, *workspace.notes])
    with runs.step(f"{name} {workspace.study.name}", {"study": workspace.study.name}, note):
        runs.log_config(workspace.options.asked, "options.json")
        last_lines: list[str] = []
        yield last_lines
        numbers = {variant: version.number for variant, version in builder.versions.items()}
        runs.log_json(numbers, "versions.json")
        for version in builder.versions.values():
            if version.number is None:  # of random weights
                continue
            f1 = version.artifact.manifest.metrics["val/macro_f1"]
            alias = workspace.variants[version.variant].alias
            line = f"{version.model_name}@{alias}: version {version.number}, validation F1 {f1:.4f}"
            print(workspace.labelled(line))
        for text in last_lines:
            print(f"\n{text}", flush=True)
        if builder.failed:
            runs.log_json(dict(builder.failed), "failed.json")
        check_complete(builder.failed)
