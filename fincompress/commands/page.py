"""The HTML page of a benchmark, from what its run and the builds of its versions have logged."""

from collections.abc import Mapping

from fincompress.commands.options import RANDOM
from fincompress.evaluation.results import Answers, Benchmark
from fincompress.reports.html_report import html_report
from fincompress.studies.study import Study
from fincompress.tracking import registry, runs


def report_page(
    study: Study,
    run_id: str,
    benchmark: Benchmark,
    roles: Mapping[str, str],
    answers: Answers | None,
) -> str:
    """Return the page of the benchmark whose run is `run_id`; `roles` are variants by role.

    `answers`: what the models answered; None for random weights.
    """
    random = benchmark.random_weights
    builds = {} if random else registry.build_runs(study)
    weights = f" --weights {RANDOM}" if random else ""
    commit = benchmark.environment.get("commit", "")
    return html_report(
        study,
        benchmark,
        roles,
        answers,
        runs.read_figures(run_id),
        {
            m.variant: runs.read_figures(builds[m.version])
            for m in benchmark.measurements
            if m.version in builds and runs.exists(builds[m.version])
        },
        [
            f"git checkout {commit}" if commit else "# of a commit that is not known",
            f"fincompress benchmark --study {study.name}{weights}",
            f"fincompress report --study {study.name}{weights} --html report.html",
        ],
    )
