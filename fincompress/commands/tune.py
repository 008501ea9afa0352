"""Verb `tune`: search for better values of variants' configs with Optuna."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from statistics import median

import pandas as pd
import torch

from fincompress.benchmark.process import Subject
from fincompress.benchmark.protocol import median_latencies
from fincompress.build import Recipe
from fincompress.commands.builder import Builder, command_run
from fincompress.commands.options import Options
from fincompress.commands.prepare import log_data_once
from fincompress.commands.workspace import Workspace, open_workspace
from fincompress.config import UserError, dump, fingerprint, flatten, nearest
from fincompress.evaluation.results import VAL_F1
from fincompress.reports import plots
from fincompress.studies import ALL
from fincompress.studies.variants import BASE, VariantSpec
from fincompress.tracking import runs
from fincompress.tracking.addresses import masked, storage_address
from fincompress.tracking.errors import STORE_ERRORS
from fincompress.tracking.store import TRIALS_EXPERIMENT, lock
from fincompress.tuning import trial_queue
from fincompress.tuning.objective import Goal, Outcome, best, described, front
from fincompress.tuning.trial import Job, Reference
from fincompress.tuning.trial_queue import Search, Study
from fincompress.tuning.workers import run_workers

MEASURED = ("prune", "quantize")  # families whose latency is an objective unless it is bounded
TRIALS, BEST, SUMMARY = "trials.csv", "best.yaml", "summary.txt"
REFERENCE_MS = "reference_ms"  # latency of the source when the search began, kept with it
TIMED_RUNS = 200  # calls at most with which a trial is timed, and as many of its source


@dataclass(frozen=True)
class Task:
    """One search: `variant` is tuned for `goal`, and `storage` holds its Optuna study."""

    variant: str
    goal: Goal
    storage: trial_queue.BaseStorage


def tune_variants(options: Options) -> None:
    """Search the space of one variant, or of all that have one, trial after trial.

    Runs that an earlier command left open, because it was killed, are closed first. Raises
    `UserError` for what cannot be tuned so, and `IncompleteError` if some searches failed.
    """
    with open_workspace(options) as workspace:
        wanted = plan_tuning(workspace)
        runs.recover()
        builder = Builder(workspace)
        with command_run(builder, "tune"):
            log_data_once(workspace)
            builder.build({s for n in wanted for s in workspace.variants[n].sources} - {BASE})
            builder.for_each(wanted, lambda name: tune_variant(builder, wanted[name]))


def plan_tuning(workspace: Workspace) -> dict[str, Task]:
    """Return the searches that were asked for, by variant: one, or all that have a search space.

    Raises `UserError` for a variant that cannot be tuned so, or a storage that does not answer.
    """
    options = workspace.options
    able = [name for name, spec in workspace.variants.items() if spec.search]
    if options.variant == ALL:
        bounded = options.max_f1_drop is not None
        wanted = [n for n in able if not (bounded and workspace.variants[n].source == BASE)]
    elif options.variant not in workspace.variants:
        hint = nearest(options.variant, [*able, ALL])
        raise UserError(f"variant: unknown variant '{options.variant}'; {hint}")
    elif options.variant not in able:
        raise UserError(
            f"variant: experiments/variants/{options.variant}.yaml has no search space; give it "
            f"`search:`, or tune one of: {', '.join(able)}"
        )
    else:
        wanted = [options.variant]
    goals = {name: _goal(options, workspace.variants[name]) for name in wanted}
    storage = trial_queue.open_storage(storage_address(options.storage), _close)
    return {name: Task(name, goal, storage) for name, goal in goals.items()}


def _goal(options: Options, spec: VariantSpec) -> Goal:
    if options.max_latency_ms is not None and options.max_f1_drop is not None:
        raise UserError("give max_latency_ms or max_f1_drop, not both: the other is the objective")
    if options.max_f1_drop is not None and spec.source == BASE:
        raise UserError(f"max_f1_drop: '{spec.name}' has no teacher that it could drop below")
    goal = Goal(
        latency=spec.family in MEASURED,
        max_latency_ms=options.max_latency_ms,
        max_f1_drop=options.max_f1_drop,
    )
    if goal.measures_latency and options.workers > 1:
        raise UserError(
            f"workers: must be 1 where latency is measured, as it is of '{spec.name}', not "
            f"{options.workers}: trials on one machine would slow one another down"
        )
    return goal


def _close(run_id: str) -> None:
    with suppress(*STORE_ERRORS):  # `recover` closes what this could not
        runs.close(run_id, "its process gave no sign of life")


def tune_variant(builder: Builder, task: Task) -> None:
    """Run the trials that are missing of those asked for, and log the search with its best trial.

    Raises `UserError` if the variant's own config cannot be built, or no trial meets the
    constraint.
    """
    workspace = builder.workspace
    options, spec, goal = workspace.options, workspace.variants[task.variant], task.goal
    budget = replace(workspace.study.budget, epochs=options.epochs or workspace.study.budget.epochs)
    recipe = builder.recipe(spec, budget)
    builder.import_bases()
    search = Search(
        name=f"{workspace.study.name}/{spec.name}/{_search_hash(recipe, spec, goal)}",
        storage=task.storage,
        space=spec.search,
        goal=goal,
        seed=workspace.study.seed,
    )
    own_values = flatten(dump(spec.config))
    with lock(f"prepare {search.name}"):
        trial_queue.prepare(search, {key: own_values[key] for key in spec.search}, options.trials)
    study = search.study()
    before = study.user_attrs.get(trial_queue.RUN)
    tags = workspace.tags("tune", variant=spec.name, technique=spec.technique)
    again = before if before and runs.exists(before) else ""
    with runs.step(f"tune {spec.name}", tags, _note(workspace, study), again=again) as run_id:
        trial_queue.link(study, run_id, runs.run_url(run_id))
        runs.log_config({"goal": dump(goal), "search": {k: dump(v) for k, v in spec.search.items()},
                         "budget": dump(budget), "optuna_study": search.name})  # fmt: skip
        print(f"{spec.name}: Optuna study {search.name} in {_storage_shown(options)}")
        job = _job(workspace, search, recipe, spec, run_id)
        if options.workers:
            runs.create_experiment(TRIALS_EXPERIMENT)  # before several processes need it at once
            run_workers(job, options.workers)
            _conclude(workspace, job)


def _search_hash(recipe: Recipe, spec: VariantSpec, goal: Goal) -> str:
    """A hash of all that must be equal for trials to be compared; another one is another search."""
    space = {name: dump(dimension) for name, dimension in spec.search.items()}
    parts = {"recipe": recipe.fingerprint, "space": space, "goal": dump(goal)}
    return fingerprint(parts)[:8]


def _note(workspace: Workspace, study: Study) -> str:
    where = f"`{_storage_shown(workspace.options)}`: {trial_queue.dashboard_url(study)}"
    trials = f"Its trials are runs of the experiment `{TRIALS_EXPERIMENT}`."
    return f"Optuna study `{study.study_name}` in {where}\n\n{trials}\n\n{workspace.note}"


def _storage_shown(options: Options) -> str:
    """The address of Optuna's storage without its password."""
    return masked(storage_address(options.storage))


def _job(
    workspace: Workspace, search: Search, recipe: Recipe, spec: VariantSpec, run_id: str
) -> Job:
    timing = workspace.study.benchmark
    timing = replace(timing, latency_runs=min(TIMED_RUNS, timing.latency_runs))
    reference = None
    if search.goal.measures_latency:
        source = Subject(spec.source, None, "torch_eager", recipe.inputs.source)
        texts = recipe.inputs.val.texts
        study = search.study()
        if REFERENCE_MS not in study.user_attrs:
            (taken,) = median_latencies([source], texts, timing)
            study.set_user_attr(REFERENCE_MS, median(taken))
        reference = Reference(source, study.user_attrs[REFERENCE_MS])
    return Job(
        study=workspace.study.name,
        title=workspace.labelled(f"{spec.name}, {workspace.study.name}"),
        note=workspace.note,
        run_id=run_id,
        search=search,
        trials=workspace.options.trials,
        spec=spec,
        inputs=recipe.inputs,
        data_fingerprint=recipe.data_fingerprint,
        teacher_f1=recipe.inputs.teacher.manifest.metrics.get(VAL_F1, 0.0),
        timing=timing,
        reference=reference,
        threads=max(1, torch.get_num_threads() // max(1, workspace.options.workers)),
        scratch=workspace.scratch,
    )


def _conclude(workspace: Workspace, job: Job) -> None:
    """Log the table, the plots and the best trial; print what to do with it."""
    search, spec = job.search, job.spec
    outcomes = trial_queue.outcomes(search.study(), job.trials)
    own, chosen = outcomes[0], best(outcomes, search.goal)
    folder = workspace.scratch / f"tune-{spec.name}"
    folder.mkdir()
    table = pd.DataFrame([_row(outcome) for outcome in outcomes])
    table.to_csv(folder / TRIALS, index=False)
    runs.leaderboard(table, "trials.json")
    with plots.own_style():
        for name, axes in trial_queue.figures(search).items():
            plots.save_axes(axes, job.title, folder / f"{name}.png")
    if chosen is not None:
        (folder / BEST).write_text(spec.yaml(chosen.values), encoding="utf-8")
        said = _summary(job, outcomes, chosen)
        (folder / SUMMARY).write_text(said + "\n", encoding="utf-8")
    runs.log_folder(folder)
    if chosen is None:
        raise UserError(_why_none(outcomes, search.goal, job.teacher_f1))
    runs.log_metrics(_scores("own", own) | _scores("best", chosen))
    for key, value in {"trial": chosen.trial, **chosen.values}.items():
        runs.set_tag(f"best.{key}", str(value))
    runs.set_tag("measured", "all")  # by which `report` finds it
    asked = f"--study {workspace.study.name} --variant {spec.name}"
    print(f"{said}\nto build it: fincompress {spec.family} {asked} --tuned")
    print(f"to keep it, commit this as experiments/variants/{spec.name}.yaml:\n")
    print(spec.yaml(chosen.values))


def _summary(job: Job, outcomes: Sequence[Outcome], chosen: Outcome) -> str:
    values = ", ".join(f"{name} {value}" for name, value in chosen.values.items())
    lines = [
        f"{job.spec.name}: {len(outcomes)} trials of at most {job.inputs.budget.epochs} epochs; "
        f"its own config {described(outcomes[0])}, the best {described(chosen)}: {values}"
    ]
    if len(job.search.goal.objectives) > 1:
        lines += [f"on the Pareto front: {described(one)}" for one in front(outcomes)]
    return "\n".join(lines)


def _scores(whose: str, outcome: Outcome) -> dict[str, float]:
    values = {
        "macro_f1": outcome.f1,
        "latency_p50_ms": outcome.latency_ms,
        "size_mb": outcome.size_mb,
    }
    return {f"{whose}/{name}": value for name, value in values.items() if value is not None}


def _row(outcome: Outcome) -> dict[str, object]:
    facts = asdict(outcome)
    return {
        "trial": facts.pop("trial"),
        "state": facts.pop("state"),
        **facts.pop("values"),
        **facts,
    }


def _why_none(outcomes: Sequence[Outcome], goal: Goal, teacher_f1: float) -> str:
    done = [outcome for outcome in outcomes if outcome.state == "complete"]
    if not done:
        last = next((o.error for o in reversed(outcomes) if o.error), "all were stopped early")
        return f"tune: no trial of {len(outcomes)} was completed; the last: {last}"
    if goal.max_latency_ms is not None:
        nearest_one = min(done, key=lambda o: o.latency_ms or 0)
        asked = f"max_latency_ms: {goal.max_latency_ms}"
    else:
        nearest_one = max(done, key=lambda o: o.f1 or 0)
        asked = f"max_f1_drop: {goal.max_f1_drop} below the teacher's {teacher_f1:.4f}"
    return f"{asked}: met by no trial of {len(outcomes)}; the nearest has {described(nearest_one)}"
