"""Verb `plan`: what a study would build, why, how long that takes here, and what it needs."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from fincompress import studies
from fincompress.benchmark.environment import STEP_SECONDS, WORK_DONE
from fincompress.build import Recipe
from fincompress.commands.builder import Builder, study_work
from fincompress.commands.options import Options
from fincompress.commands.workspace import Workspace, open_workspace
from fincompress.config import UserError, flatten
from fincompress.evaluation.results import BUILD_SECONDS
from fincompress.reports.build_run import recipe_facts
from fincompress.reports.results_page import read_results
from fincompress.studies.variants import BASE, VariantSpec
from fincompress.tracking import registry, runs
from fincompress.tracking.builds import PastBuild, past_benchmark_seconds, past_builds
from fincompress.training.speed import step_seconds

LIBRARIES_BYTES = 600e6  # of PyTorch, MLflow and the rest
TRAINING_BYTES = 16  # of a parameter in FP32: weight, gradient, and AdamW's two moments


@dataclass(frozen=True)
class Estimate:
    """How long a build is expected to take, and by what.

    `seconds`: that time. `like`: the earlier build that tells. `basis`: in words, where that was.
    """

    seconds: float
    basis: str
    like: PastBuild | None = None


@dataclass(frozen=True)
class PlannedBuild:
    """What is to be done about one variant.

    `variant`: its name. `state`: its version, if that is up to date, or why it is to be built.
    `build`: whether it is. `estimate`: what that takes; None if nothing tells.
    """

    variant: str
    state: str
    build: bool
    estimate: Estimate | None


def plan_study(options: Options) -> list[PlannedBuild]:
    """Print what `main` would do, build nothing, and return a step for each variant.

    Raises `UserError` for what `main` would refuse before its first build.
    """
    with open_workspace(options) as workspace:
        builder = Builder(workspace)
        parameters = builder.bases[workspace.study.base].manifest.parameters
        planned = plan_builds(builder)
        print(plan_text(workspace, planned, parameters), flush=True)
        return planned


def plan_builds(builder: Builder) -> list[PlannedBuild]:
    """Return a step for each variant of a study, sources first."""
    workspace, past, steps = builder.workspace, past_builds(), dict[str, PlannedBuild]()
    work = study_work(workspace.study, workspace.splits, builder.bases[workspace.study.base])
    by_published = _published_estimates(workspace.study.name, work)
    for name, spec in workspace.variants.items():
        state, build = _state(builder, spec, steps)
        estimate = _by_past_build(past, workspace.study.name, spec, work) if build else None
        if build and estimate is None:
            estimate = by_published().get(name)
        steps[name] = PlannedBuild(name, state, build, estimate)
    return list(steps.values())


def _by_past_build(
    past: Sequence[PastBuild], study: str, spec: VariantSpec, work: float
) -> Estimate | None:
    """By the newest build of the variant on this machine: in this study, or else in another."""
    here = [p for p in past if p.here and (p.variant, p.technique) == (spec.name, spec.technique)]
    for like in (p for p in here if p.study == study):
        return Estimate(like.seconds, "an earlier build here", like)
    for like in (p for p in here if p.work):
        scale = work / (like.work or work)
        return Estimate(like.seconds * scale, f"study {like.study} here, scaled", like)
    return None


def _published_estimates(study: str, work: float) -> Callable[[], dict[str, Estimate]]:
    """By the times in the committed results of the study, or of one that has them.

    They are scaled by how much is trained, and by how fast this machine trains, which takes some
    seconds to find out.
    """

    @cache
    def estimates() -> dict[str, Estimate]:
        folder = studies.EXPERIMENTS / "results"
        try:
            results_of_all = read_results(folder) if folder.is_dir() else []
        except UserError as error:  # an estimate is no reason to stop
            print(f"plan: without committed results: {error}", flush=True)
            results_of_all = []
        committed = [
            each
            for each in results_of_all
            if each.benchmark is not None
            and {STEP_SECONDS, WORK_DONE} <= each.benchmark.environment.keys()
        ]
        committed.sort(key=lambda each: each.name != study)
        if not committed or committed[0].benchmark is None:
            return {}
        results, facts = committed[0].benchmark, committed[0].benchmark.environment
        speed = step_seconds() / float(facts[STEP_SECONDS])
        scale = speed * work / float(facts[WORK_DONE])
        basis = f"the results of study {results.study} and a probe of this machine"
        return {
            m.variant: Estimate(m.metrics[BUILD_SECONDS] * scale, basis)
            for m in results.measurements
            if BUILD_SECONDS in m.metrics
        }

    return estimates


def _state(builder: Builder, spec: VariantSpec, steps: dict[str, PlannedBuild]) -> tuple[str, bool]:
    """What is to be said of a variant, and whether it is to be built."""
    new = [source for source in spec.sources if source != BASE and steps[source].build]
    if new:
        return f"made from {new[0]}, which is built first", True
    workspace = builder.workspace
    try:
        recipe = builder.recipe(spec)  # whose sources have been found
    except UserError as error:
        return f"cannot be built: {error}", True
    study, scratch = workspace.study, workspace.scratch
    version = registry.find(study, spec, recipe.fingerprint, scratch)
    if version is None:
        return _why(spec, recipe, registry.newest_run(study, spec)), True
    builder.versions[spec.name] = version
    if workspace.options.again:
        return f"again, though version {version.number} is up to date", True
    return f"up to date: version {version.number}", False


def _why(spec: VariantSpec, recipe: Recipe, before: str | None) -> str:
    """What is new in a recipe, compared with the run that built the newest version."""
    if before is None:
        return "never built"
    old = runs.parameters(before)
    new = {key: str(value) for key, value in flatten(recipe_facts(spec, recipe)).items()}
    changed = [
        f"{key} was {old[key]}, and is {value}" if key in old else f"{key} is new: {value}"
        for key, value in new.items()
        if old.get(key) != value
    ]
    gone = [f"{key} is gone" for key in old if key.startswith("config.") and key not in new]
    return "; ".join(changed + gone) or (
        "its source, its transfer set or the package's export has changed, or its files are lost"
    )


def plan_text(workspace: Workspace, steps: Sequence[PlannedBuild], parameters: int) -> str:
    """Return the steps, one line each, and what time, disk and memory they need.

    `parameters` are those of the base, from which memory is estimated where no build tells.
    """
    benchmark = past_benchmark_seconds(workspace.study.name)
    names = [step.variant for step in steps] + ["benchmark"]
    states = [step.state for step in steps] + ["of all variants"]
    times = [_minutes(step.estimate.seconds if step.estimate else None) if step.build else ""
             for step in steps] + [_minutes(benchmark)]  # fmt: skip
    wide, long = max(map(len, names)), max(map(len, times))
    lines = [
        f"{name:<{wide}}  {time:>{long}}  {state}".rstrip()
        for name, time, state in zip(names, times, states, strict=True)
    ]
    new = [step for step in steps if step.build]
    needs = [_time_needed(new, benchmark)]
    if new:
        likes = [step.estimate.like if step.estimate else None for step in new]
        needs += [_disk_needed(likes, parameters), _memory_needed(likes, parameters)]
    return "\n".join([workspace.data_line, "", *lines, "", *needs])


def announce_builds(planned: Sequence[PlannedBuild]) -> Callable[[str], None]:
    """Return what prints, as each build begins, how many there are and how long they all take."""
    waiting = [each for each in planned if each.build]
    total = len(waiting)

    def announce(variant: str) -> None:
        number = next((n for n, each in enumerate(waiting) if each.variant == variant), None)
        if number is None:  # what was thought to be up to date
            return
        rest = [each.estimate.seconds for each in waiting[number:] if each.estimate is not None]
        own = waiting[number].estimate
        text = f"{variant}: build {total - len(waiting) + number + 1} of {total}"
        if own is not None:
            text += f", about {_minutes(own.seconds)}; {_minutes(sum(rest))} to the last"
        print(text, flush=True)
        del waiting[:number]

    return announce


def _time_needed(new: Sequence[PlannedBuild], benchmark: float | None) -> str:
    known = [step.estimate for step in new if step.estimate is not None]
    total = sum(estimate.seconds for estimate in known) + (benchmark or 0.0)
    bases = list(dict.fromkeys(estimate.basis for estimate in known))
    if benchmark is not None:
        bases.append("the last benchmark here")
    unknown = [step.variant for step in new if step.estimate is None]
    if benchmark is None:
        unknown.append("the benchmark")
    text = f"Time: about {_minutes(total)}, by {', '.join(bases)}" if bases else "Time: unknown"
    if unknown:
        text += f"; without {', '.join(unknown)}, of which nothing here tells"
    return f"{text}."


def _disk_needed(likes: Sequence[PastBuild | None], parameters: int) -> str:
    sizes = [like.artifact_mb if like is not None else None for like in likes]
    total = sum(4e-6 * parameters if size is None else size for size in sizes)
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return f"Disk: about {total:,.0f} MB for {len(likes)} artifacts; {free:,.0f} GB are free."


def _memory_needed(likes: Sequence[PastBuild | None], parameters: int) -> str:
    peaks = [like.memory_mb for like in likes if like is not None and like.memory_mb is not None]
    free = psutil.virtual_memory().available / 1e9
    if peaks:
        return f"Memory: about {max(peaks) / 1e3:.1f} GB, as earlier; {free:.1f} GB are free."
    least = (TRAINING_BYTES * parameters + LIBRARIES_BYTES) / 1e9
    return f"Memory: at least {least:.1f} GB, to train the base; {free:.1f} GB are free."


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
