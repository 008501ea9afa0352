"""Registered versions become measurements."""

import json
from collections.abc import Mapping

from fincompress.benchmark.environment import environment
from fincompress.benchmark.process import Subject
from fincompress.benchmark.protocol import FLOOR, measure
from fincompress.callbacks import Chart
from fincompress.commands.builder import build_all
from fincompress.commands.failures import FAILED, spared
from fincompress.commands.options import Options
from fincompress.commands.prepare import log_data_once
from fincompress.commands.promote import promote_best, roles_now
from fincompress.commands.workspace import Workshop, _command, workshop
from fincompress.config import UserError, dump
from fincompress.evaluation.error_analysis import confusions, disagreements, reliabilities
from fincompress.evaluation.quality import add_quality, collect_answers, compare_pair
from fincompress.evaluation.results import (
    EXTRA_FILE,
    PUBLISHED,
    REFERENCE_BEFORE,
    REFERENCE_LAST,
    VAL_F1,
    Answers,
    Benchmark,
    Samples,
    labelled,
)
from fincompress.evaluation.speedups import add_speedups
from fincompress.export import export
from fincompress.machine.locks import hold_to_measure
from fincompress.promotion import CHAMPION, TEACHER
from fincompress.reports import plots
from fincompress.reports.model_card import MODEL_CARD, model_card
from fincompress.reports.tables import benchmark_files, frame, markdown
from fincompress.runtimes import engine_of
from fincompress.studies.variants import BASE, siblings
from fincompress.tracking import registry, runs
from fincompress.tracking.results import ANSWERS, RAW, RESULTS, benchmark_kind, last_benchmark

EPOCH_SECONDS = "train/epoch_seconds"
PEERS_OF = "student_ptq"  # whose source is what the peers run


def check_teacher(shop: Workshop) -> None:
    """Raise `UserError` if there is no teacher for the others to be compared with."""
    if TEACHER not in shop.variants:
        raise UserError(f"variants: a study needs the variant '{TEACHER}' to compare with")


def measure_all(shop: Workshop) -> tuple[Benchmark, Answers]:
    """Measure each variant, peers and the floor in child runs of the open run, and log it all.

    The champion is measured too, if it is no version of today's variants. What cannot be measured
    is left out and said; variants among it are added to what has failed in the workshop.
    """
    timing = shop.study.benchmark
    facts = environment(timing.threads)
    runs.log_config({"benchmark": dump(timing), "environment": facts}, "benchmark_config.json")
    then = _before(shop, facts)
    with hold_to_measure():  # which engine is the fastest for what was built elsewhere
        sources, exported = _references(shop)
    champion = _champion(shop)
    # The teacher first: that is the reference, whatever the order of the files.
    versions = sorted(shop.versions.values(), key=lambda v: v.variant != TEACHER)
    subjects = [
        *(
            Subject(v.variant, v.number, shop.variants[v.variant].runtime, v.artifact)
            for v in versions
        ),
        *exported.values(),
        *_peers(shop),
        *champion,
    ]
    subjects += [] if shop.random else [FLOOR]
    print(f"benchmark: {', '.join(subject.variant for subject in subjects)}", flush=True)
    parts = shop.answered()
    asked = {name: sentences.texts for name, sentences in parts.items()}
    measured = measure(subjects, shop.splits, timing, parts=asked)
    results = measured.results
    lost = {name: why.removeprefix("benchmark: ") for name, why in measured.failed.items()}
    for name, why in lost.items():
        print(f"benchmark: without {name}: {why}", flush=True)
    shop.failed |= {name: FAILED + why for name, why in lost.items() if name in shop.versions}
    answers = collect_answers(parts, {r.measurement.variant: r.logits for r in results if r.logits})
    facts |= {name: f"{value:.3f}" for name, value in measured.drift.items()}
    facts |= {EXTRA_FILE: shop.extra_facts()} if shop.extra else {}
    if then is not None:
        facts[REFERENCE_BEFORE] = then.environment[REFERENCE_LAST]
    benchmark = Benchmark(
        study=shop.study.name,
        synthetic=shop.splits.synthetic,
        random_weights=shop.random,
        notes=shop.notes,
        environment=facts,
        measurements=add_quality(
            add_speedups(
                [result.measurement for result in results],
                teacher=TEACHER,
                published=PUBLISHED,
                sources=sources,
                before=then.measurements if then else (),
            ),
            answers,
            TEACHER,
            {n: source for n, source in shop.sources().items() if source in answers.logits},
            shop.study.published,
        ),
        pairs=tuple(
            compare_pair([answers], *pair, trained_seconds(shop, pair))
            for pair in siblings(shop.variants)
            if {*pair} <= answers.logits.keys()
        ),
    )
    _log_measurements(shop, benchmark)
    _log_benchmark(shop, benchmark, answers, {r.measurement.variant: r.samples for r in results})
    _complete_cards(shop, benchmark)
    return benchmark, answers


def trained_seconds(shop: Workshop, pair: tuple[str, str]) -> tuple[float, float]:
    """How long the versions of two variants were trained, validation apart."""
    first, second = (
        sum(seconds for _, seconds in runs.history(shop.versions[name].run_id, EPOCH_SECONDS))
        for name in pair
    )
    return first, second


def _before(shop: Workshop, facts: Mapping[str, str]) -> Benchmark | None:
    """The benchmark before, if it is there and was on such a machine."""
    try:
        then = last_benchmark(shop.study, shop.random)[1]
    except UserError:
        return None
    same = all(then.environment.get(key) == facts[key] for key in ("cpu", "cores", "threads"))
    return then if same and REFERENCE_LAST in then.environment else None


def _peers(shop: Workshop) -> list[Subject]:
    """What people run without this project, from the weights of two of our variants."""
    from fincompress.benchmark.peers import peers  # transformers: seconds, which only this needs

    spec = shop.variants.get(PEERS_OF)
    student = spec.source if spec and spec.source in shop.versions else TEACHER
    teacher, small = (shop.versions[name].artifact for name in (TEACHER, student))
    try:
        return peers(teacher, small, student, shop.scratch / "peers")
    except UserError as error:
        print(f"benchmark: without the peers of {TEACHER} and {student}: {error}", flush=True)
        return []


def _champion(shop: Workshop) -> list[Subject]:
    """The version that is champion, under its own name, if no variant has it any more."""
    number = None if shop.random else registry.aliases(shop.study).get(CHAMPION)
    if number is None:
        return []
    same = registry.originals(shop.study)
    if same[number] in [same[v.number] for v in shop.versions.values() if v.number]:
        return []
    try:
        version, runtime = registry.fetch(shop.study, number, shop.scratch)
    except UserError as error:
        print(f"benchmark: without version {number}, the champion: {error}", flush=True)
        return []
    return [Subject(f"{version.variant}@v{number}", number, runtime, version.artifact)]


def _references(shop: Workshop) -> tuple[dict[str, str], dict[str, Subject]]:
    """Name, for each variant made from another, the measurement of that one in the same engine.

    A source that ships with another one is exported: the second mapping holds these. One whose
    export fails costs its own row, and the ratios to it.
    """
    sources, exported = dict[str, str](), dict[str, Subject]()
    for spec in (shop.variants[name] for name in shop.versions):
        if spec.source == BASE:
            continue
        name, threads = spec.source, shop.study.benchmark.threads
        try:
            engine = engine_of(spec.runtime, shop.versions[spec.name].artifact, threads)
        except UserError:
            continue  # its own process will say so, and cost its row
        if shop.variants[spec.source].runtime != engine:
            name = f"{spec.source}@{engine}"
            if name not in {*exported, *shop.failed}:
                with spared(shop.failed, name):
                    source = shop.versions[spec.source].artifact
                    artifact = export(source, engine, shop.scratch / name)
                    exported[name] = Subject(name, None, engine, artifact)
        if name in {*exported, *shop.versions}:
            sources[spec.name] = name
    return sources, exported


def _distillation_curves(shop: Workshop) -> Chart:
    """Validation F1 and soft loss by epoch of every distilled student, in one figure."""

    def curves(metric: str, label: str) -> dict[str, list[tuple[float, float]]]:
        return {
            f"{name}, {label}": points
            for name, version in shop.versions.items()
            if shop.variants[name].family == "distill"
            and (points := runs.history(version.run_id, metric))
        }

    return Chart(
        title="Knowledge distillation",
        x="epoch",
        y="validation macro-F1",
        lines=curves(VAL_F1, "macro-F1"),
        right_y="soft loss",
        right=curves("train/soft_loss", "soft loss"),
    )


def _log_measurements(shop: Workshop, benchmark: Benchmark) -> None:
    for m in benchmark.measurements:
        version = shop.versions.get(m.variant)
        with runs.step(m.variant, shop.tags("benchmark", variant=m.variant), shop.note):
            config = {"runtime": m.runtime, "precision": m.precision}
            runs.log_config(config | ({"version": m.version} if m.version else {}))
            if m.unreliable:
                runs.set_tag("unreliable", m.unreliable)
            runs.log_metrics(m.flat(), model_id=version.model_id if version else None)


def _complete_cards(shop: Workshop, benchmark: Benchmark) -> None:
    """Put what was measured into the model cards, once all of it is on record."""
    for m in benchmark.measurements:
        version = shop.versions.get(m.variant)
        if version and version.number:
            card = shop.scratch / MODEL_CARD
            spec, manifest = shop.variants[m.variant], version.artifact.manifest
            text = model_card(shop.study, spec, manifest, shop.facts(), m, benchmark.environment)
            card.write_text(text, encoding="utf-8")
            registry.describe(shop.study, version, card)


def _log_benchmark(
    shop: Workshop, benchmark: Benchmark, answers: Answers, samples: Mapping[str, Samples]
) -> None:
    folder = shop.scratch / "benchmark"
    folder.mkdir()
    for name, text in benchmark_files(benchmark).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / RESULTS).write_text(json.dumps(dump(benchmark), indent=2) + "\n", encoding="utf-8")
    raw = {name: dump(taken) for name, taken in samples.items()}
    (folder / RAW).write_text(json.dumps(raw) + "\n", encoding="utf-8")
    plots.latency_distributions(benchmark, samples, folder / "latency_distributions.png")
    plots.throughput(benchmark, folder / "throughput.png")
    if not shop.random:
        (folder / ANSWERS).write_text(json.dumps(dump(answers)) + "\n", encoding="utf-8")
        plots.f1_against_latency(benchmark, folder / "f1_against_latency.png")
        title = labelled(shop.study.name, benchmark.synthetic)
        if (curves := _distillation_curves(shop)).lines:
            plots.draw(curves, title, folder / "distillation_curves.png")
        names = [name for name in shop.versions if name in answers.logits]
        plots.reliability_diagrams(reliabilities(answers, names), title, folder / "reliability.png")
        plots.confusion_matrices(confusions(answers, names), title, folder / "confusion.png")
        found = disagreements(answers, TEACHER, names)
        found.to_csv(folder / "disagreements.csv", index=False)
        runs.leaderboard(found, "disagreements.json")
    runs.log_folder(folder)
    runs.leaderboard(frame(benchmark), "leaderboard.json")
    runs.set_tag("measured", benchmark_kind(shop.random))


def benchmark_study(options: Options) -> None:
    """Measure every variant, building what is missing, and promote."""
    with workshop(options) as shop, _command(shop, "benchmark"):
        check_teacher(shop)
        log_data_once(shop)
        build_all(shop, shop.variants)
        _benchmark(shop)


def _benchmark(shop: Workshop) -> Benchmark:
    """Measure, and then promote: a decision that fails leaves a whole benchmark to decide from."""
    study, options = shop.study, shop.options
    with runs.step("benchmark", shop.tags("benchmark"), shop.note):
        measured, answers = measure_all(shop)
    if options.promote and not shop.random:
        promote_best(study, measured, answers, any_cpu=options.any_cpu)
    print(markdown(measured, roles_now(study, measured)))
    return measured
