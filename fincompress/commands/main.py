"""Verb `main`: the whole study, from data to promotion."""

from fincompress.commands.benchmark import check_teacher, run_benchmark
from fincompress.commands.builder import Builder, command_run
from fincompress.commands.options import Options
from fincompress.commands.plan import announce_builds, plan_builds, plan_study
from fincompress.commands.prepare import log_data_once
from fincompress.commands.seeds import (
    build_seeds,
    tabulate_ablations,
    tabulate_seeds,
    variants_beside,
)
from fincompress.commands.workspace import Workspace, open_workspace
from fincompress.config import UserError
from fincompress.evaluation.results import Benchmark
from fincompress.reports.summary import holder, interpreter, summary
from fincompress.studies.variants import load_ablations, select_ablations
from fincompress.tracking import registry
from fincompress.tracking.store import is_default_store


def run_study(options: Options) -> Benchmark | None:
    """Prepare the data, build every variant, benchmark and promote.

    With `seeds` above 1 everything is built for further seeds too, and tabulated. With `ablations`
    these, and the variants that they stand beside, are all that is built, and tabulated in place of
    the benchmark. A variant that fails is left out.
    Returns what the benchmark measured, if there was one.
    Raises `UserError` for options that exclude one another or a study without a teacher, and in the
    end `IncompleteError` if some variants failed.
    """
    if options.plan:
        if options.ablations or options.seeds > 1:
            raise UserError("plan: is of one seed and no ablation; leave out these options")
        plan_study(options)
        return None
    if options.ablations and options.tuned:
        raise UserError("ablations: would be compared with tuned variants; leave out one of both")
    with open_workspace(options) as workspace:
        builder = Builder(workspace)
        with command_run(builder, "main") as last_lines:
            check_teacher(workspace)
            known = load_ablations(workspace.variants, options.study) if options.ablations else {}
            ablations = select_ablations(known, options.ablations) if options.ablations else {}
            log_data_once(workspace)
            if ablations:
                beside = variants_beside(workspace.variants, ablations)
                builders = build_seeds(builder, options.seeds, beside)
                tabulate_ablations(builders, ablations, whole=ablations.keys() == known.keys())
                return None
            builder.announce = announce_builds(plan_builds(Builder(workspace)))
            builders = build_seeds(builder, options.seeds, list(workspace.variants))
            if options.seeds > 1:
                tabulate_seeds(builders)
            benchmark = run_benchmark(builder)
            last_lines.append(_summary(workspace, benchmark))
        return benchmark


def _summary(workspace: Workspace, benchmark: Benchmark) -> str:
    study, options = workspace.study, workspace.options
    champion = holder(registry.aliases(study), registry.variants(study))
    return summary(
        study,
        benchmark,
        champion,
        python=interpreter(),
        default_store=is_default_store(),
        data_dir=options.data_dir,
        decided=options.promote,
    )
