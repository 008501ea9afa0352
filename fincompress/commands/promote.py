"""Verb `promote`: decide which versions hold the roles, and move the registry's aliases.

`promotion.py` decides. This module asks the registry for what that needs, records the decision as a
run, and moves the aliases last.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from fincompress.benchmark.environment import INSTRUCTION_SETS, cpu_facts
from fincompress.commands.options import Options
from fincompress.config import UserError, dump
from fincompress.evaluation.results import Answers, Benchmark, Measurement, mark_synthetic
from fincompress.promotion import (
    CHALLENGER,
    CHAMPION,
    ROLES,
    Decision,
    SameAnswers,
    champion_change,
    champion_history,
    decide,
    remedies,
    rolled_back_versions,
)
from fincompress.studies.study import Study
from fincompress.tracking import registry, runs, served_model
from fincompress.tracking.results import answers_of, last_benchmark
from fincompress.tracking.served_model import Served
from fincompress.tracking.store import open_store

OVERHEAD = "pyfunc_overhead_ms"
SAME_ELSEWHERE = 0.98  # share of labels that a CPU keeps whose kernels round otherwise


def promote_study(options: Options) -> None:
    """Decide again from the study's last benchmark, or with `rollback` go back a champion.

    Raises `UserError` if there is no benchmark, or no champion to go back to.
    """
    study = Study.load(options.study)
    open_store()
    if options.rollback:
        rollback(study, options.dry_run)
        return
    run_id, measured = last_benchmark(study)
    answers = answers_of(study, run_id)
    promote(study, measured, answers, options.dry_run, options.any_cpu)


def promote(
    study: Study,
    benchmark: Benchmark,
    answers: Answers,
    dry_run: bool = False,
    any_cpu: bool = False,
) -> None:
    """Decide from a benchmark and its answers, record the decision as a run, move the role aliases.

    `dry_run` decides and explains, and moves none. Nor does any move if the champion was decided on
    a CPU with other instruction sets than the benchmark's, unless `any_cpu`. Raises `UserError`,
    before any alias moves, if a measured version is gone or the incumbent does not load.
    """
    numbers = {m.variant: m.version for m in benchmark.measurements if m.version is not None}
    variants = registry.variants(study)
    _check_measured(study, benchmark, numbers, variants)
    before = registry.aliases(study).get(CHAMPION)
    decisions = runs.tags_of_runs("promote", study.name, dry_run="false")
    same = registry.originals(study)
    other_cpu = _note_on_cpu(benchmark)
    incumbent, broken = _incumbent(study, before, numbers.values(), same)
    rejected = rolled_back_versions(decisions[::-1], before, same)
    decision, served = _decide(
        study,
        benchmark,
        answers,
        numbers,
        incumbent=incumbent,
        barred={number for number in numbers.values() if same[number] in rejected},
        other_cpu=bool(other_cpu),
    )
    after = before if CHAMPION in decision.kept else numbers[decision.roles[CHAMPION]]
    heading = mark_synthetic(f"decision for {study.name}", benchmark.synthetic)
    obstacles = [] if any_cpu else _reasons_to_stay(study, benchmark, decisions, before, same)
    moves = not dry_run and not obstacles
    explained = [heading, *other_cpu, *broken, decision.explain()]
    explained += _champion_lines(variants, before, after, moves)
    explained += remedies(decision, f"experiments/{study.name}.yaml")
    tags = _tags(study, before, after, not moves)
    if sets := benchmark.environment.get(INSTRUCTION_SETS):
        tags |= {INSTRUCTION_SETS: sets}
    with runs.step("promote", tags, "\n\n".join(benchmark.notes)):
        runs.log_config({"gate": dump(study.gate)}, "gate.json")
        if (champion := decision.roles.get(CHAMPION)) in served:
            added = served[champion].overhead_ms
            runs.log_metrics({OVERHEAD: added})
            explained.append(f"as a pyfunc it takes {added:.2f} ms more for a sentence")
        explained += obstacles
        facts = {"study": study.name, "synthetic": benchmark.synthetic}
        runs.log_json(facts | asdict(decision), "decision.json")
        runs.log_text("\n".join(explained) + "\n", "decision.txt")
        if moves:
            _move_aliases(study, decision, numbers)
    _print_decision(study, explained, moves, dry_run)


def rollback(study: Study, dry_run: bool = False) -> None:
    """Give the alias `champion` back to the champion before, and record that as a run.

    Where someone has moved the alias by hand, an earlier champion counts as rolled back to, and
    any other version as promoted. Raises `UserError` if there is none to go back to.
    """
    aliases, variants = registry.aliases(study), registry.variants(study)
    if CHAMPION not in aliases:
        raise UserError(
            f"{study.model_name}: no version is champion yet; "
            f"run: fincompress promote --study {study.name}"
        )
    before = aliases[CHAMPION]
    decisions = runs.tags_of_runs("promote", study.name, dry_run="false")
    *earlier, _ = champion_history(decisions[::-1], before, registry.originals(study))
    if not earlier:
        raise UserError(
            f"{study.model_name}: version {before} is the first champion on record; "
            "there is none to go back to"
        )
    after = earlier[-1]
    if after not in variants:
        raise UserError(
            f"{study.model_name}: version {after}, the champion before version {before}, is gone; "
            f"to decide again, run: fincompress promote --study {study.name}"
        )
    # Or the alias would name what is broken.
    served_model.predict_served(
        study, after, [[study.data.example]], study.benchmark.threads, calls=1
    )
    explained = [
        f"rollback of {study.name}",
        *_champion_lines(variants, before, after, not dry_run),
    ]
    with runs.step("rollback", _tags(study, before, after, dry_run) | {"rollback": "true"}):
        runs.log_text("\n".join(explained) + "\n", "decision.txt")
        if not dry_run:
            registry.set_alias(study, CHAMPION, after)
    _print_decision(study, explained, not dry_run, dry_run)


def roles_now(study: Study, benchmark: Benchmark) -> dict[str, str]:
    """Return the variant of each role whose alias names a version that the benchmark measured."""
    same = registry.originals(study)
    versions = {m.version: m.variant for m in benchmark.measurements if m.version is not None}
    by_model = {same[number]: variant for number, variant in versions.items() if number in same}
    now = {role: same[number] for role, number in registry.aliases(study).items()}
    return {role: by_model[now[role]] for role in ROLES if role in now and now[role] in by_model}


def _check_measured(
    study: Study, benchmark: Benchmark, numbers: Mapping[str, int], there: Collection[int]
) -> None:
    """Raise `UserError` if what was measured is gone, or cannot be compared."""
    again = f"run: fincompress benchmark --study {study.name}"
    if gone := set(numbers.values()) - set(there):
        raise UserError(
            f"{study.model_name}: version {min(gone)} was measured and is gone; {again}"
        )
    if not all(m.round_medians_ms for m in benchmark.measurements):
        raise UserError(f"{study.name}: its last benchmark has no rounds to compare; {again}")


def _decide(
    study: Study,
    benchmark: Benchmark,
    answers: Answers,
    numbers: Mapping[str, int],
    *,
    incumbent: int | None,
    barred: Collection[int],
    other_cpu: bool,
) -> tuple[Decision, dict[str, Served]]:
    """Decide among the versions in `numbers`, and return what those answered that matter.

    These are the incumbent, and whoever would be champion or challenger: loading all takes long.
    One that does not load passes no more; raises `UserError` if that is the incumbent. On another
    CPU than this one, `other_cpu`, other answers than here may have been measured.
    """
    candidates = {m.variant: m for m in benchmark.measurements if m.variant in numbers}
    threads = int(benchmark.environment["threads"])
    served, same = dict[str, Served](), dict[str, SameAnswers]()
    while True:
        decision = decide(
            list(candidates.values()), study.gate,
            incumbent=incumbent, barred=barred, same_answers=same,
        )  # fmt: skip
        holders = [decision.roles.get(role) for role in (CHAMPION, CHALLENGER)]
        matter = [n for n in decision.passing if n in holders or numbers[n] == incumbent]
        if same.keys() >= set(matter):
            return decision, served
        for name in [n for n in matter if n not in same]:
            try:
                served[name] = _ask_on_validation(study, numbers[name], answers, threads)
            except UserError as error:
                if numbers[name] == incumbent:
                    raise
                same[name] = SameAnswers(0.0, note=str(error))
            else:
                same[name] = _compare_labels(served[name], answers, candidates[name], other_cpu)


def _note_on_cpu(benchmark: Benchmark) -> list[str]:
    """A line about the CPU that was measured on, if it is another than this one."""
    here = cpu_facts()
    there = {key: benchmark.environment.get(key, own) for key, own in here.items()}
    if there == here:
        return []
    then, now = (f"{', '.join(facts.values())}" for facts in (there, here))
    return [
        f"measured on another CPU ({then}) than this one ({now}): "
        f"{SAME_ELSEWHERE:.0%} of its labels are the same answers"
    ]


def _reasons_to_stay(
    study: Study,
    benchmark: Benchmark,
    decisions: Sequence[Mapping[str, str]],
    incumbent: int | None,
    same: Mapping[int, int],
) -> list[str]:
    """Why no alias moves, if the champion was decided on other instruction sets.

    The newest of `decisions` comes first. Where either's are unknown they are not others.
    """
    sets = (
        tags[INSTRUCTION_SETS]
        for tags in decisions
        if INSTRUCTION_SETS in tags
        and incumbent
        and champion_change(tags, same)[1] == same.get(incumbent)
    )
    theirs, own = next(sets, ""), benchmark.environment.get(INSTRUCTION_SETS, "")
    if not (theirs and own) or set(theirs.split()) == set(own.split()):
        return []
    return [
        f"version {incumbent} is champion by a benchmark on other instruction sets ({theirs}) than "
        f"this one's ({own}): this decision is on record and moves no alias; to move them all the "
        f"same, run: fincompress promote --study {study.name} --any-cpu"
    ]


def _incumbent(
    study: Study, before: int | None, measured: Collection[int], same: Mapping[int, int]
) -> tuple[int | None, list[str]]:
    """The champion so far, under the number by which its model was measured.

    None, with a line that says why, if it was not measured and its files are gone or its labels are
    not the study's.
    """
    if before is None:
        return None, []
    for number in measured:
        if same[number] == same.get(before):
            return number, []
    with TemporaryDirectory(prefix="fincompress-incumbent-") as folder:
        try:
            version, _ = registry.fetch(study.model_name, before, Path(folder))
        except UserError as error:
            return None, [f"version {before}, champion until now, counts no more: {error}"]
        if version.artifact.manifest.labels != study.data.labels:
            return None, [f"version {before}, champion until now, counts no more: other labels"]
    return before, []


def _ask_on_validation(study: Study, number: int, answers: Answers, threads: int) -> Served:
    """Let a version answer the validation sentences as it is served, in a process of its own."""
    texts, size = list(answers.texts["val"]), study.benchmark.throughput_batch
    # In the benchmark's batches: dynamic INT8 answers depend a little on what else is in one.
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    return served_model.predict_served(study, number, batches, threads)


def _compare_labels(
    served: Served, answers: Answers, m: Measurement, other_cpu: bool
) -> SameAnswers:
    """Share of validation sentences that got the label that was measured.

    All have to, unless another CPU or engine answered, whose kernels round otherwise.
    """
    measured = (
        answers.label_names[place] for place in answers.predicted(m.variant, "val").tolist()
    )
    share = float(mean(a == b for a, b in zip(served.labels, measured, strict=True)))
    why = "measured on another CPU" if other_cpu else ""
    if served.way and served.way != m.way:
        why = f"answered by {served.way}, measured on {m.way}"
    return SameAnswers(share, SAME_ELSEWHERE if why else 1.0, why)


def _move_aliases(study: Study, decision: Decision, numbers: Mapping[str, int]) -> None:
    there = registry.aliases(study)
    for role in ROLES:
        if role in decision.roles:
            registry.set_alias(study, role, numbers[decision.roles[role]])
        elif role in there and role not in decision.kept:
            registry.drop_alias(study, role)


def _tags(study: Study, before: int | None, after: int | None, dry_run: bool) -> dict[str, str]:
    return {
        "stage": "promote",
        "study": study.name,
        "dry_run": str(dry_run).lower(),
        "champion_before": str(before or ""),
        "champion_after": str(after or ""),
    }


def _champion_lines(
    variants: Mapping[int, str], before: int | None, after: int | None, moves: bool
) -> list[str]:
    """A line about the alias `champion`, if it moves, or would."""
    if after is None or after == before:
        return []
    left = f"from version {before} ({variants[before]}) " if before else ""
    goes = "goes" if moves else "would go"
    return [f"champion {goes} {left}to version {after} ({variants[after]})"]


def _print_decision(study: Study, explained: Sequence[str], moved: bool, dry_run: bool) -> None:
    print("\n".join(explained))
    left = "dry run: no alias was moved" if dry_run else "no alias was moved"
    print(f"aliases of {study.model_name} are set" if moved else left)
