"""Results of earlier commands, read back from their runs: benchmarks, answers, tables."""

import json
from collections.abc import Iterable
from typing import Any

from fincompress.config import UserError, parse
from fincompress.evaluation.results import Answers, Benchmark
from fincompress.evaluation.seed_results import SeedTable
from fincompress.studies.study import Study
from fincompress.tracking import runs

RESULTS = "benchmark_results.json"
RAW = "latency_raw.json"
ANSWERS = "answers.json"


def is_measured(study: Study, random: bool = False) -> bool:
    """Whether the study has a finished benchmark; with `random`, one of random weights."""
    return runs.find_run("benchmark", study.name, measured=benchmark_kind(random)) is not None


def last_benchmark(study: Study, random: bool = False) -> tuple[str, Benchmark]:
    """Return the run id and the results of the study's last benchmark.

    With `random`, it is the last one of random weights. Raises `UserError` if there is none.
    """
    run_id = runs.find_run("benchmark", study.name, measured=benchmark_kind(random))
    if run_id is None:
        raise UserError(
            f"study '{study.name}' has not been measured yet; run: fincompress benchmark "
            f"--study {study.name}{' --weights random' if random else ''}"
        )
    data: Any = json.loads(runs.read_run_file(run_id, RESULTS))
    return run_id, parse(Benchmark, data, f"run {run_id}: {RESULTS}")


def benchmark_kind(random: bool) -> str:
    """Return the value of the tag `measured`, by which benchmarks are found again."""
    return "shapes" if random else "all"


def answers_of(study: Study, run_id: str) -> Answers:
    """Return the logits that a benchmark stored; raise `UserError` if it stored none."""
    try:
        data: Any = json.loads(runs.read_run_file(run_id, ANSWERS))
        return parse(Answers, data, f"run {run_id}: {ANSWERS}")
    except UserError as error:
        raise UserError(f"{error}; run: fincompress benchmark --study {study.name}") from None


SEEDS, ABLATIONS = STAGES = ("seeds", "ablations")
FILE = "file"  # tag of a run that holds a table: the name of its files


def last_tables(study: Study) -> dict[str, SeedTable]:
    """Return the last tables over seeds and of ablations, by the name of their files."""
    tables: dict[str, SeedTable] = {}
    for stage in STAGES:
        for file, run_id in sorted(runs.newest_by(FILE, stage, study.name).items()):
            data: Any = json.loads(runs.read_run_file(run_id, f"{file}.json"))
            tables[file] = parse(SeedTable, data, f"run {run_id}: {file}.json")
    return tables


def last_tuning_runs(study: str, variants: Iterable[str]) -> dict[str, str]:
    """Return the run id of the last finished search of each variant that has one, by variant."""
    last_runs = {
        name: runs.find_run("tune", study, variant=name, measured="all") for name in variants
    }
    return {name: run_id for name, run_id in last_runs.items() if run_id}
