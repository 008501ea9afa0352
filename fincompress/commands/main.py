"""Verb `main`: the whole study, from data to promotion."""

from fincompress.commands.benchmark import _benchmark, check_teacher
from fincompress.commands.options import Options
from fincompress.commands.prepare import log_data_once
from fincompress.commands.seeds import build_seeds, tabulate_ablations, tabulate_seeds
from fincompress.commands.workspace import Workshop, _command, workshop
from fincompress.config import UserError
from fincompress.evaluation.results import Benchmark
from fincompress.reports.summary import holder, interpreter, summary
from fincompress.studies.variants import load_ablations, select_ablations
from fincompress.tracking import registry
from fincompress.tracking.store import is_default_store


def run_study(options: Options) -> None:
    """The whole study: prepare, build every variant, benchmark, promote.

    With `seeds` above 1 all of it is built for further seeds too, and tabulated. With `ablations`
    these are built and tabulated in place of the benchmark. A variant that fails is left out, and
    named in the end.
    """
    if options.ablations and options.tuned:
        raise UserError("ablations: would be compared with tuned variants; leave out one of both")
    with workshop(options) as shop, _command(shop, "main") as last_words:
        check_teacher(shop)
        known = load_ablations(shop.variants) if options.ablations else {}
        ablations = select_ablations(known, options.ablations) if options.ablations else {}
        log_data_once(shop)
        shops = build_seeds(shop, options.seeds)
        if options.seeds > 1:
            tabulate_seeds(shops)
        if ablations:
            tabulate_ablations(shops, ablations, whole=ablations.keys() == known.keys())
            return
        last_words.append(_summary(shop, _benchmark(shop)))


def _summary(shop: Workshop, measured: Benchmark) -> str:
    study, options = shop.study, shop.options
    champion = holder(registry.aliases(study), registry.variants(study))
    return summary(
        study, measured, champion, python=interpreter(), default_store=is_default_store(),
        data_dir=options.data_dir, decided=options.promote,
    )  # fmt: skip
