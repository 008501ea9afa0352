"""Verb `report`: print the last results, and write them to files."""

import json
from pathlib import Path

from fincompress import studies
from fincompress.commands.options import RANDOM, Options
from fincompress.commands.page import report_page
from fincompress.commands.promote import roles_now
from fincompress.commands.tune import BEST, SUMMARY, TRIALS
from fincompress.config import UserError
from fincompress.evaluation.seed_results import SeedTable
from fincompress.reports import plots
from fincompress.reports.behaviour_tables import BEHAVIOUR_PLOT
from fincompress.reports.results_page import (
    RANDOM_WEIGHTS,
    ROLES_FILE,
    read_results,
    replace_block,
    results_block,
    results_page,
)
from fincompress.reports.seed_tables import seed_markdown, table_files
from fincompress.reports.tables import benchmark_files, markdown
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.tracking import runs
from fincompress.tracking.results import (
    RAW,
    RESULTS,
    answers_of,
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
    study = Study.load(options.study)
    open_store()
    if options.html is not None and not options.html.resolve().parent.is_dir():
        raise UserError(f"html: '{options.html}' cannot be written: its folder is missing")
    random = options.weights == RANDOM
    tables, tuned = dict[str, SeedTable](), dict[str, str]()
    if not random:
        tables = last_tables(study)
        tuned = last_tuning_runs(study.name, load_variants(study.name))
    texts, measured, folder = dict[str, str](), None, None
    if options.commit_to is not None:
        folder = options.commit_to / (f"{study.name}{RANDOM_WEIGHTS}" if random else study.name)
    if is_measured(study, random) or not (tables or tuned):
        run_id, measured = last_benchmark(study, random)
        results = runs.read_run_file(run_id, RESULTS)
        roles = roles_now(study, measured) or _committed_roles(folder, results)
        print(markdown(measured, roles))
        if options.html is not None:
            answers = None if random else answers_of(study, run_id)
            html = report_page(study, run_id, measured, roles, answers)
            options.html.write_text(html, encoding="utf-8")
            print(f"\nwritten to {options.html}")
        texts = benchmark_files(measured, roles)
        texts |= {RESULTS: results, RAW: runs.read_run_file(run_id, RAW)}
        if not random:
            texts[ROLES_FILE] = json.dumps(roles, indent=2) + "\n"
    for file, table in tables.items():
        print(f"\n{seed_markdown(table, file)}")
        texts |= table_files(table, file)
    for variant, tuning_run in tuned.items():
        for name in (SUMMARY, TRIALS, BEST):
            texts[f"tuning/{variant}/{name}"] = runs.read_run_file(tuning_run, name)
        print(texts[f"tuning/{variant}/{SUMMARY}"].rstrip())
    if options.commit_to is not None and folder is not None:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        if measured is not None and not random:
            plots.f1_against_latency(measured, folder / "f1_against_latency.png")
            if measured.behaviour:
                plots.behaviour(measured, folder / BEHAVIOUR_PLOT)
        print(f"\nwritten to {folder}")
        if options.commit_to.resolve() == (studies.EXPERIMENTS / "results").resolve():
            for page in write_pages(options.commit_to, studies.EXPERIMENTS.parent):
                print(f"written to {page}")


def _committed_roles(folder: Path | None, results: str) -> dict[str, str]:
    """Return the roles committed with these very `results`, the text of their file, if any are.

    The registry may know none (its aliases were deleted, or it is another store). Roles of another
    benchmark are not returned: they were decided from other figures.
    """
    if folder is None or not (folder / ROLES_FILE).exists() or not (folder / RESULTS).exists():
        return {}
    if (folder / RESULTS).read_text(encoding="utf-8") != results:
        return {}
    roles: dict[str, str] = json.loads((folder / ROLES_FILE).read_text(encoding="utf-8"))
    return roles


def write_pages(results: Path, checkout: Path) -> list[Path]:
    """Write `docs/results.md` from the folder of committed `results`, and README's tables anew.

    Returns the files that were written: none where `checkout` has no `docs` or no README.
    """
    page, readme = checkout / "docs" / "results.md", checkout / "README.md"
    if not page.parent.is_dir() or not readme.is_file():
        return []
    committed = read_results(results)
    page.write_text(results_page(committed), encoding="utf-8")
    text = readme.read_text(encoding="utf-8")
    for each in committed:
        if each.benchmark is not None:
            text = replace_block(text, results_block(each))
    readme.write_text(text, encoding="utf-8")
    return [page, readme]
