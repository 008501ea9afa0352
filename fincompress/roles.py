"""A benchmark becomes a decision, and the decision the role aliases."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from statistics import mean
from typing import Any

from fincompress.data import LABELS
from fincompress.evaluation.environment import INSTRUCTION_SETS, cpu_facts
from fincompress.evaluation.measurement import Answers, Benchmark, labelled
from fincompress.experiments import Study
from fincompress.promotion import CHALLENGER, CHAMPION, ROLES, Decision, decide, remedies
from fincompress.spec import UserError, dump
from fincompress.tracking import registry, runs
from fincompress.tracking.registry import Served

OVERHEAD = "pyfunc_overhead_ms"
SAME_ELSEWHERE = 0.98  # share of labels that a CPU keeps whose kernels round otherwise
PROBE = "Profit rose 12 % ."


def promote_best(
    study: Study,
    benchmark: Benchmark,
    answers: Answers,
    dry_run: bool = False,
    any_cpu: bool = False,
) -> None:
    """Decide, record the decision as a run, and then move the role aliases.

    None moves if the benchmark was on other instruction sets than the champion's, unless `any_cpu`.
    Raises `UserError`, before any alias moves, if a measured version is gone or does not load.
    """
    numbers = {m.variant: m.version for m in benchmark.measurements if m.version is not None}
    variants = registry.variants(study)
    _check_measured(study, benchmark, numbers, variants)
    before = registry.aliases(study).get(CHAMPION)
    decisions = runs.tags_of_runs("promote", study.name, dry_run="false")
    other_cpu = _other_cpu(benchmark)
    incumbent, broken = _still_there(study, before, numbers.values())
    decision, served = _decide(
        study,
        benchmark,
        answers,
        numbers,
        incumbent=incumbent,
        barred=rolled_back(decisions[::-1], before),
        least_same=SAME_ELSEWHERE if other_cpu else 1.0,
    )
    after = before if CHAMPION in decision.kept else numbers[decision.roles[CHAMPION]]
    heading = labelled(f"decision for {study.name}", benchmark.synthetic)
    explained = [heading, *other_cpu, *broken, decision.explain(), *_said(variants, before, after)]
    explained += remedies(decision, f"experiments/{study.name}.yaml")
    elsewhere = [] if any_cpu else _elsewhere(study, benchmark, decisions, before)
    moves = not dry_run and not elsewhere
    tags = _tags(study, before, after, not moves)
    if sets := benchmark.environment.get(INSTRUCTION_SETS):
        tags |= {INSTRUCTION_SETS: sets}
    with runs.step("promote", tags, "\n\n".join(benchmark.notes)):
        runs.log_config({"gate": dump(study.gate)}, "gate.json")
        if (champion := decision.roles.get(CHAMPION)) in served:
            added = served[champion].overhead_ms
            runs.log_metrics({OVERHEAD: added})
            explained.append(f"as a pyfunc it takes {added:.2f} ms more for a sentence")
        explained += elsewhere
        facts = {"study": study.name, "synthetic": benchmark.synthetic}
        runs.log_json(facts | asdict(decision), "decision.json")
        runs.log_text("\n".join(explained) + "\n", "decision.txt")
        if moves:
            _move_aliases(study, decision, numbers)
    _say(study, explained, moves, dry_run)


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
    *earlier, _ = champions(decisions[::-1], before)
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
    registry.ask(study, after, [[PROBE]])  # or the alias would name what is broken
    explained = [f"rollback of {study.name}", *_said(variants, before, after)]
    with runs.step("rollback", _tags(study, before, after, dry_run) | {"rollback": "true"}):
        runs.log_text("\n".join(explained) + "\n", "decision.txt")
        if not dry_run:
            registry.set_alias(study, CHAMPION, after)
    _say(study, explained, not dry_run, dry_run)


def champions(decisions: Sequence[Mapping[str, str]], now: int) -> list[int]:
    """Replay the tags of decisions, oldest first: the champions so far, and last the one of `now`.

    A decision that moves the alias adds a champion, a rollback takes the last away.
    """
    found: list[int] = []
    for tags in decisions:
        before, after = (int(tags.get(f"champion_{end}", 0)) for end in ("before", "after"))
        if before:
            found = _up_to(found, before)
        if "rollback" in tags:
            found = _up_to(found[:-1], after)
        elif after != before:
            found.append(after)
    return _up_to(found, now)


def _up_to(found: list[int], number: int) -> list[int]:
    """The champions until `number` was the last, or with it, if it never was one."""
    if number not in found:
        return [*found, number]
    return found[: len(found) - found[::-1].index(number)]


def roles_now(study: Study, benchmark: Benchmark) -> dict[str, str]:
    """The roles that the measured versions hold now."""
    by_number = {m.version: m.variant for m in benchmark.measurements if m.version is not None}
    now = registry.aliases(study)
    return {role: by_number[now[role]] for role in ROLES if now.get(role) in by_number}


def rolled_back(decisions: Sequence[Mapping[str, str]], now: int | None) -> set[int]:
    """Replay the tags of decisions, oldest first: the versions that rollbacks took the alias from.

    One that has had it again since, as someone gave it back by hand, is not among them.
    """
    found: set[int] = set()
    for tags in decisions:
        before, after = (int(tags.get(f"champion_{end}", 0)) for end in ("before", "after"))
        found -= {before, after}
        if "rollback" in tags:
            found |= {before}
    return found - {now}


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
    **rules: Any,
) -> tuple[Decision, dict[str, Served]]:
    """Decide among the versions in `numbers`, and return what those answered that matter.

    These are the incumbent, and whoever would be champion or challenger: loading all takes long.
    """
    candidates = [m for m in benchmark.measurements if m.variant in numbers]
    served: dict[str, Served] = {}
    while True:
        same = {name: _same(one, answers, name) for name, one in served.items()}
        decision = decide(candidates, study.gate, incumbent=incumbent, same_answers=same, **rules)
        holders = [decision.roles.get(role) for role in (CHAMPION, CHALLENGER)]
        matter = [n for n in decision.passing if n in holders or numbers[n] == incumbent]
        if served.keys() >= set(matter):
            return decision, served
        served |= {n: _served(study, numbers[n], answers) for n in matter if n not in served}


def _other_cpu(benchmark: Benchmark) -> list[str]:
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


def _elsewhere(
    study: Study,
    benchmark: Benchmark,
    decisions: Sequence[Mapping[str, str]],
    incumbent: int | None,
) -> list[str]:
    """Why no alias moves, if the champion was decided on other instruction sets.

    The newest of `decisions` comes first. Where either's are unknown they are not others.
    """
    sets = (
        tags[INSTRUCTION_SETS]
        for tags in decisions
        if INSTRUCTION_SETS in tags and tags.get("champion_after") == str(incumbent)
    )
    theirs, own = next(sets, ""), benchmark.environment.get(INSTRUCTION_SETS, "")
    if not (theirs and own) or set(theirs.split()) == set(own.split()):
        return []
    return [
        f"version {incumbent} is champion by a benchmark on other instruction sets ({theirs}) than "
        f"this one's ({own}): this decision is on record and moves no alias; to move them all the "
        f"same, run: fincompress promote --study {study.name} --any-cpu"
    ]


def _still_there(
    study: Study, incumbent: int | None, measured: Collection[int]
) -> tuple[int | None, list[str]]:
    """The incumbent, unless it was not measured and does not load, and a line that says so."""
    if incumbent is None or incumbent in measured:
        return incumbent, []
    try:
        registry.ask(study, incumbent, [[PROBE]])
    except UserError as error:
        return None, [f"version {incumbent}, champion until now, counts no more: {error}"]
    return incumbent, []


def _served(study: Study, number: int, answers: Answers) -> Served:
    """What a version answers to validation, as it is served."""
    texts, size = list(answers.texts["val"]), study.benchmark.throughput_batch
    # In the benchmark's batches: dynamic INT8 answers depend a little on what else is in one.
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    return registry.ask(study, number, batches)


def _same(served: Served, answers: Answers, variant: str) -> float:
    """Share of validation sentences that got the label that was measured."""
    measured = (LABELS[place] for place in answers.predicted(variant, "val").tolist())
    return float(mean(a == b for a, b in zip(served.labels, measured, strict=True)))


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


def _said(variants: Mapping[int, str], before: int | None, after: int | None) -> list[str]:
    """A line about the alias `champion`, if it moves."""
    if after is None or after == before:
        return []
    left = f"from version {before} ({variants[before]}) " if before else ""
    return [f"champion goes {left}to version {after} ({variants[after]})"]


def _say(study: Study, explained: Sequence[str], moved: bool, dry_run: bool) -> None:
    print("\n".join(explained))
    left = "dry run: no alias was moved" if dry_run else "no alias was moved"
    print(f"aliases of {study.model_name} are set" if moved else left)
