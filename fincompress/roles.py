"""A benchmark becomes a decision, and the decision the role aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import mean, median
from time import perf_counter

from fincompress.data import LABELS
from fincompress.evaluation.measurement import Answers, Benchmark, labelled
from fincompress.experiments import Study
from fincompress.promotion import CHAMPION, ROLES, Decision, decide
from fincompress.spec import UserError, dump
from fincompress.tracking import registry, runs

OVERHEAD, CALLS = "pyfunc_overhead_ms", 200


def promote_best(
    study: Study, benchmark: Benchmark, answers: Answers, dry_run: bool = False
) -> None:
    """Decide, record the decision as a run, and then move the role aliases.

    Raises `UserError`, before any alias moves, if a measured version is gone or does not load.
    """
    candidates = [m for m in benchmark.measurements if m.version is not None]
    numbers = {m.variant: m.version for m in benchmark.measurements if m.version is not None}
    variants = registry.variants(study)
    if gone := set(numbers.values()) - set(variants):
        raise UserError(
            f"{study.model_name}: version {min(gone)} was measured and is gone; "
            f"run: fincompress benchmark --study {study.name}"
        )
    before = registry.aliases(study).get(CHAMPION)
    # What does not pass is not loaded.
    same = {
        variant: _same_answers(study, numbers[variant], variant, answers)
        for variant in decide(candidates, study.gate).passing
    }
    incumbent = variants[before] if before else None
    decision = decide(candidates, study.gate, incumbent=incumbent, same_answers=same)
    after = before if CHAMPION in decision.kept else numbers[decision.roles[CHAMPION]]
    heading = labelled(f"decision for {study.name}", benchmark.synthetic)
    explained = [heading, decision.explain(), *_said(variants, before, after)]
    tags = _tags(study, before, after, dry_run)
    with runs.step("promote", tags, "\n\n".join(benchmark.notes)):
        runs.log_config({"gate": dump(study.gate)}, "gate.json")
        if CHAMPION in decision.roles:
            added = _overhead_ms(study, numbers[decision.roles[CHAMPION]], answers)
            runs.log_metrics({OVERHEAD: added})
            explained.append(f"as a pyfunc it takes {added:.2f} ms more for a sentence")
        facts = {"study": study.name, "synthetic": benchmark.synthetic}
        runs.log_json(facts | asdict(decision), "decision.json")
        runs.log_text("\n".join(explained) + "\n", "decision.txt")
        if not dry_run:
            _move_aliases(study, decision, numbers)
    _say(study, explained, dry_run)


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
    registry.load(study, after, study.benchmark.threads)  # or the alias would name what is broken
    explained = [f"rollback of {study.name}", *_said(variants, before, after)]
    with runs.step("rollback", _tags(study, before, after, dry_run) | {"rollback": "true"}):
        runs.log_text("\n".join(explained) + "\n", "decision.txt")
        if not dry_run:
            registry.set_alias(study, CHAMPION, after)
    _say(study, explained, dry_run)


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


def _same_answers(study: Study, number: int, variant: str, answers: Answers) -> float:
    """Share of validation sentences to which a version gives the label that was measured."""
    model = registry.load(study, number, study.benchmark.threads)
    texts, size = list(answers.texts["val"]), study.benchmark.throughput_batch
    # In the benchmark's batches: dynamic INT8 answers depend a little on what else is in one.
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    given = [LABELS.index(one["label"]) for batch in batches for one in model.predict(batch)]
    measured = answers.predicted(variant, "val").tolist()
    return float(mean(a == b for a, b in zip(given, measured, strict=True)))


def _overhead_ms(study: Study, number: int, answers: Answers) -> float:
    """What the pyfunc adds to a call with one sentence: its median time around a model of none."""
    model = registry.load(study, number, study.benchmark.threads)
    inside = model.unwrap_python_model()
    texts = answers.texts["val"]
    logits = inside.predictor(texts[:1])
    inside.predictor = lambda texts: logits  # whose own time, milliseconds, would hide the rest
    seconds = []
    for place in range(CALLS):
        start = perf_counter()
        model.predict([texts[place % len(texts)]])
        seconds.append(perf_counter() - start)
    return 1e3 * median(seconds)


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


def _say(study: Study, explained: Sequence[str], dry_run: bool) -> None:
    print("\n".join(explained))
    print("dry run: no alias was moved" if dry_run else f"aliases of {study.model_name} are set")
