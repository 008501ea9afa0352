"""Verb `report`: print the last results, and write them to files."""

from fincompress.commands.options import RANDOM, Options
from fincompress.commands.promote import roles_now
from fincompress.commands.tune import BEST, SUMMARY, TRIALS
from fincompress.evaluation.seed_results import SeedTable
from fincompress.reports.seed_tables import seed_markdown, table_files
from fincompress.reports.tables import benchmark_files, markdown
from fincompress.studies.study import load_study
from fincompress.studies.variants import load_variants
from fincompress.tracking import runs
from fincompress.tracking.results import (
    RAW,
    RESULTS,
    is_measured,
    last_benchmark,
    last_tables,
    last_tuning_runs,
)
from fincompress.tracking.store import open_store


def report_results(options: Options) -> None:
    """Print what was measured last, over seeds, and by tuning, and write it where asked.

    Raises `UserError` if there is nothing yet.
    """
    study = load_study(options.study)
    open_store()
    random = options.weights == RANDOM
    tables, tuned = dict[str, SeedTable](), dict[str, str]()
    if not random:
        tables = last_tables(study)
        tuned = last_tuning_runs(study.name, load_variants())
    texts = {}
    if is_measured(study, random) or not (tables or tuned):
        run_id, result = last_benchmark(study, random)
        roles = roles_now(study, result)
        print(markdown(result, roles))
        texts = benchmark_files(result, roles)
        texts |= {name: runs.read_run_file(run_id, name) for name in (RESULTS, RAW)}
    for file, table in tables.items():
        print(f"\n{seed_markdown(table, file)}")
        texts |= table_files(table, file)
    for variant, tuning_run in tuned.items():
        for name in (SUMMARY, TRIALS, BEST):
            texts[f"tuning/{variant}/{name}"] = runs.read_run_file(tuning_run, name)
        print(texts[f"tuning/{variant}/{SUMMARY}"].rstrip())
    if options.commit_to is not None:
        folder = options.commit_to / (f"{study.name}-random-weights" if random else study.name)
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        print(f"\nwritten to {folder}")
