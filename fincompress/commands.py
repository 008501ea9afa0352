"""Each verb: what is asked becomes runs, registered versions, measurements and aliases."""

from collections.abc import Iterator
from contextlib import contextmanager

from fincompress import search
from fincompress.addresses import storage_address
from fincompress.builder import build_all, for_each
from fincompress.comparison import (
    RAW,
    RESULTS,
    answers_of,
    check_teacher,
    is_measured,
    last_benchmark,
    measure_all,
)
from fincompress.evaluation.measurement import Benchmark
from fincompress.evaluation.repeated import Repeated, rows_markdown, written
from fincompress.evaluation.report import markdown, tables_of
from fincompress.experiments import (
    BASE,
    load_ablations,
    load_study,
    load_variants,
    select,
    select_ablations,
)
from fincompress.failures import check_complete
from fincompress.preparation import log_data, prepared
from fincompress.roles import promote_best, roles_now, rollback
from fincompress.seeds import ablate, by_seed, last_tables, repeat
from fincompress.spec import UserError
from fincompress.summary import holder, interpreter, summary
from fincompress.tracking import registry, runs
from fincompress.tracking.store import is_default_store, open_store
from fincompress.tuning import BEST, SUMMARY, TRIALS, last_studies, tasks
from fincompress.tuning import tune as tune_variant
from fincompress.workshop import RANDOM, Options, Workshop, workshop


def main(options: Options) -> None:
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
        prepared(shop)
        shops = by_seed(shop, options.seeds)
        if options.seeds > 1:
            repeat(shops)
        if ablations:
            ablate(shops, ablations, whole=ablations.keys() == known.keys())
            return
        last_words.append(_summary(shop, _benchmark(shop)))


def prepare(options: Options) -> None:
    """Read, clean and split the data, and log it."""
    with workshop(options) as shop:
        log_data(shop)


def build_family(family: str, options: Options) -> None:
    """Build the variants of a family, and first whatever they are built from."""
    with workshop(options) as shop:
        wanted = select(shop.variants, options.variant, family)
        with _command(shop, family):
            prepared(shop)
            build_all(shop, wanted)


def tune(options: Options) -> None:
    """Search the space of one variant, or of all that have one, trial after trial.

    Runs that an earlier command left open, because it was killed, are closed first.
    """
    with workshop(options) as shop:
        wanted = tasks(shop)
        runs.recover()
        with _command(shop, "tune"):
            prepared(shop)
            sources = {shop.variants[name].source for name in wanted} - {BASE}
            build_all(shop, sources)
            for_each(shop, wanted, lambda name: tune_variant(shop, wanted[name]))


def dashboard(options: Options) -> None:
    """Serve Optuna's dashboard until it is interrupted."""
    search.dashboard(storage_address(options.storage), options.port)


def benchmark(options: Options) -> None:
    """Measure every variant, building what is missing, and promote."""
    with workshop(options) as shop, _command(shop, "benchmark"):
        check_teacher(shop)
        prepared(shop)
        build_all(shop, shop.variants)
        _benchmark(shop)


def promote(options: Options) -> None:
    """Decide again from the study's last measurements, or go back to the champion before."""
    study = load_study(options.study)
    open_store()
    if options.rollback:
        rollback(study, options.dry_run)
        return
    run_id, measured = last_benchmark(study)
    answers = answers_of(study, run_id)
    promote_best(study, measured, answers, options.dry_run, options.any_cpu)


def report(options: Options) -> None:
    """Print what was measured last, over seeds, and by tuning, and write it where asked.

    Raises `UserError` if there is nothing yet.
    """
    study = load_study(options.study)
    open_store()
    random = options.weights == RANDOM
    tables, tuned = dict[str, Repeated](), dict[str, str]()
    if not random:
        tables = last_tables(study)
        tuned = last_studies(study.name, load_variants())
    texts = {}
    if is_measured(study, random) or not (tables or tuned):
        run_id, result = last_benchmark(study, random)
        roles = roles_now(study, result)
        print(markdown(result, roles))
        texts = tables_of(result, roles)
        texts |= {name: runs.read_run_file(run_id, name) for name in (RESULTS, RAW)}
    for file, table in tables.items():
        print(f"\n{rows_markdown(table, file)}")
        texts |= written(table, file)
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


def recover(options: Options) -> None:
    """Close the runs of processes that are gone."""
    open_store()
    print("\n".join(runs.recover()) or "no run was left open")


def _benchmark(shop: Workshop) -> Benchmark:
    """Measure, and then promote: a decision that fails leaves a whole benchmark to decide from."""
    study, options = shop.study, shop.options
    with runs.step("benchmark", shop.tags("benchmark"), shop.note):
        measured, answers = measure_all(shop)
    if options.promote and not shop.random:
        promote_best(study, measured, answers, any_cpu=options.any_cpu)
    print(markdown(measured, roles_now(study, measured)))
    return measured


def _summary(shop: Workshop, measured: Benchmark) -> str:
    study, options = shop.study, shop.options
    champion = holder(registry.aliases(study), registry.variants(study))
    return summary(
        study, measured, champion, python=interpreter(), default_store=is_default_store(),
        data_dir=options.data_dir, decided=options.promote,
    )  # fmt: skip


@contextmanager
def _command(shop: Workshop, name: str) -> Iterator[list[str]]:
    """The run of a command that consists of several steps.

    It ends with the versions, and then with the texts that were put into the list it yields. Raises
    `IncompleteError`, in which the run fails, if there is none of some variants.
    """
    tags = {"study": shop.study.name}
    note = "\n\n".join([shop.study.description, *shop.notes])
    with runs.step(f"{name} {shop.study.name}", tags, note):
        runs.log_config(shop.options.asked, "options.json")
        last_words: list[str] = []
        yield last_words
        found = {name: version.number for name, version in shop.versions.items()}
        runs.log_json(found, "versions.json")
        for version in shop.versions.values():
            if version.number is None:  # of random weights
                continue
            f1 = version.artifact.manifest.metrics["val/macro_f1"]
            alias = shop.variants[version.variant].alias
            said = f"{version.model_name}@{alias}: version {version.number}, validation F1 {f1:.4f}"
            print(shop.labelled(said))
        for text in last_words:
            print(f"\n{text}", flush=True)
        if shop.failed:
            runs.log_json(dict(shop.failed), "failed.json")
        check_complete(shop.failed)
