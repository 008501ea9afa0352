"""Verb `benchmark`: measure every variant, compare them, log it all, and promote the best."""

from collections.abc import Mapping
from dataclasses import dataclass

from fincompress.benchmark.comparison import Relations, compare
from fincompress.benchmark.environment import STEP_SECONDS, WORK_DONE, read_environment
from fincompress.benchmark.process import MODEL2VEC, Subject
from fincompress.benchmark.protocol import FLOOR_SUBJECT, MeasuredSubjects, measure
from fincompress.commands.builder import Builder, command_run, study_work
from fincompress.commands.failures import FAILURE_PREFIX, spare_others
from fincompress.commands.options import Options
from fincompress.commands.page import report_page
from fincompress.commands.prepare import log_data_once
from fincompress.commands.promote import promote, roles_now
from fincompress.commands.workspace import Workspace, describe_scored, open_workspace
from fincompress.config import UserError, dump, nearest
from fincompress.evaluation.behaviour import behaviour_parts
from fincompress.evaluation.results import (
    EXTRA,
    REFERENCE_BEFORE,
    REFERENCE_LAST,
    Benchmark,
)
from fincompress.export import export
from fincompress.machine.locks import hold_to_measure
from fincompress.models.storage import TORCH_FORMAT
from fincompress.promotion import CHAMPION, TEACHER
from fincompress.reports.benchmark_run import log_benchmark
from fincompress.reports.html_report import HTML_REPORT
from fincompress.reports.tables import markdown
from fincompress.runtimes import choose_engine
from fincompress.studies.variants import siblings
from fincompress.tracking import registry, runs
from fincompress.tracking.results import last_benchmark
from fincompress.training.speed import step_seconds

EPOCH_SECONDS = "train/epoch_seconds"


@dataclass(frozen=True)
class Selection:
    """What a benchmark measures.

    `subjects`: the teacher first, which all others are compared with; then the other variants,
    their sources in the same engines, peers, a champion that is no variant's newest version, and
    the floor. `references`: for each variant made from another, the name of the subject that is its
    source in the same engine.
    """

    subjects: tuple[Subject, ...]
    references: Mapping[str, str]


def benchmark_study(options: Options) -> Benchmark:
    """Measure every variant, building what is missing, promote, and return what was measured.

    Raises `UserError` if the study has no teacher, and `IncompleteError` if some variants failed.
    """
    with open_workspace(options) as workspace:
        builder = Builder(workspace)
        with command_run(builder, "benchmark"):
            check_teacher(workspace)
            log_data_once(workspace)
            builder.build(workspace.variants)
            return run_benchmark(builder)


def run_benchmark(builder: Builder) -> Benchmark:
    """Measure the builder's versions, log the benchmark as a run, then promote and print.

    The run has ended before anything is decided: if that fails, there is a whole benchmark to
    decide from.
    """
    workspace = builder.workspace
    study, scored = workspace.study, workspace.scored
    with runs.step("benchmark", workspace.tags("benchmark"), workspace.note) as run_id:
        facts = read_environment(study.benchmark.threads) | _facts_for_estimates(builder)
        config = {"benchmark": dump(study.benchmark), "environment": facts}
        runs.log_config(config, "benchmark_config.json")
        before = _comparable_benchmark(workspace, facts)
        selection = select_subjects(builder)
        names = ", ".join(subject.variant for subject in selection.subjects)
        print(f"benchmark: {names}", flush=True)
        texts = {part: sentences.texts for part, sentences in scored.items()}
        extra = {EXTRA: texts.pop(EXTRA)} if EXTRA in texts else {}
        measured = measure(
            selection.subjects,
            workspace.splits,
            study.benchmark,
            parts=texts,
            version_parts=extra | behaviour_parts(workspace.families),
        )
        _note_failures(builder, measured)
        relations = Relations(
            teacher=TEACHER,
            sources=workspace.sources,
            references=selection.references,
            published=study.published,
            pairs={
                pair: training_seconds(builder, pair)
                for pair in siblings(workspace.variants)
                if {*pair} <= builder.versions.keys()
            },
            before=before.measurements if before else (),
            built={} if workspace.weights.random else _build_seconds(builder),
        )
        blank = _blank_benchmark(workspace, facts, measured, before)
        benchmark, answers = compare(measured, scored, workspace.families, relations, blank)
        samples = {r.measurement.variant: r.samples for r in measured.results}
        comparison = log_benchmark(
            study,
            benchmark,
            answers,
            samples,
            families=workspace.families,
            specs=workspace.variants,
            versions=builder.versions,
            data=workspace.data_facts,
            scratch=workspace.scratch,
        )
    if workspace.options.promote and scored:
        promote(study, benchmark, answers, any_cpu=workspace.options.any_cpu)
    roles = roles_now(study, benchmark)
    print(markdown(benchmark, roles))
    page = report_page(study, run_id, benchmark, roles, answers if scored else None)
    runs.add_text(run_id, page, HTML_REPORT)  # with the roles, which are decided last
    print(f"\nthe variants side by side in MLflow (`make ui`): {comparison}", flush=True)
    return benchmark


def _facts_for_estimates(builder: Builder) -> dict[str, str]:
    """How fast this machine trains, and how much the study does, from which `plan` estimates."""
    workspace = builder.workspace
    if workspace.weights.random:
        return {}
    study = workspace.study
    work = study_work(study, workspace.splits, builder.bases[study.base])
    return {STEP_SECONDS: f"{step_seconds():.4f}", WORK_DONE: f"{work:.3e}"}


def check_teacher(workspace: Workspace) -> None:
    """Raise `UserError` if there is no teacher for the others to be compared with."""
    if TEACHER not in workspace.variants:
        raise UserError(f"variants: a study needs the variant '{TEACHER}' to compare with")


def select_subjects(builder: Builder) -> Selection:
    """Return what is measured, exporting what is not there in the engine that it is needed in.

    What cannot be exported is left out and printed.
    """
    workspace, versions = builder.workspace, builder.versions
    with hold_to_measure():  # the fastest engine is chosen for what was built on another machine
        references, exported = _export_sources(builder)
    champion = _former_champion(builder)
    subjects = [
        Subject(v.variant, v.number, workspace.variants[v.variant].runtime, v.artifact)
        for v in sorted(versions.values(), key=lambda v: v.variant != TEACHER)
    ]
    subjects += [*exported.values(), *_peers(builder), *champion]
    if workspace.scored:
        subjects.append(FLOOR_SUBJECT)
    return Selection(tuple(subjects), references)


def training_seconds(builder: Builder, pair: tuple[str, str]) -> tuple[float, float]:
    """Return for how long the versions of two variants were trained, without validation, in s."""
    first, second = (
        sum(s for _, s in runs.history(builder.versions[name].run_id, EPOCH_SECONDS))
        for name in pair
    )
    return first, second


def _build_seconds(builder: Builder) -> dict[str, float]:
    """For how many seconds each version was built; without those whose run has no end yet."""
    taken = {name: runs.duration(version.run_id) for name, version in builder.versions.items()}
    return {name: seconds for name, seconds in taken.items() if seconds is not None}


def _export_sources(builder: Builder) -> tuple[dict[str, str], dict[str, Subject]]:
    """Name, for each variant made from another, the subject that is its source in the same engine.

    A source in PyTorch that ships with another engine is exported: the second mapping has these.
    One whose export fails costs its own row, and the ratios to it. A source in another format is
    its own reference.
    """
    workspace, versions = builder.workspace, builder.versions
    references, exported = dict[str, str](), dict[str, Subject]()
    for name, source in workspace.sources.items():
        if name not in versions:
            continue
        runtime, threads = workspace.variants[name].runtime, workspace.study.benchmark.threads
        try:
            engine = choose_engine(runtime, versions[name].artifact, threads)
        except UserError:
            continue  # its own process will report it, and cost its row
        reference = source
        shipped = versions[source].artifact.manifest.format != TORCH_FORMAT
        if not shipped and workspace.variants[source].runtime != engine:
            reference = f"{source}@{engine}"
            if reference not in {*exported, *builder.failed}:
                with spare_others(builder.failed, reference):
                    artifact = export(
                        versions[source].artifact, engine, workspace.scratch / reference
                    )
                    exported[reference] = Subject(reference, None, engine, artifact)
        if reference in {*exported, *versions}:
            references[name] = reference
    return references, exported


def _peers(builder: Builder) -> list[Subject]:
    """The teacher and the variant that the study names, as other people would run them.

    A peer that cannot be made costs its own row, and is printed.
    """
    if not builder.workspace.study.peers:
        return []
    # Imports transformers, which takes seconds.
    from fincompress.benchmark.peers import has_model2vec, list_peers

    workspace, versions = builder.workspace, builder.versions
    student = workspace.study.peers_of
    if student not in versions:
        if student:
            hint = nearest(student, versions)
            print(
                f"experiments/{workspace.study.name}.yaml: peers_of: '{student}' was not built; "
                f"{hint}; the peers are those of {TEACHER}",
                flush=True,
            )
        student = TEACHER
    if not has_model2vec():
        print(
            f"benchmark: without {MODEL2VEC}, which is not installed: "
            "pip install --editable '.[peers]'",
            flush=True,
        )
    teacher, small = (versions[name].artifact for name in (TEACHER, student))
    scratch, found = workspace.scratch / "peers", list[Subject]()
    shape, seed = workspace.study.published_shape, workspace.study.seed
    peers = list_peers(teacher, small, student, workspace.splits, scratch, shape, seed)
    for name, make in peers.items():
        with spare_others({}, name):
            found.append(make())
    return found


def _former_champion(builder: Builder) -> list[Subject]:
    """The version that is champion, under its own name, if no variant has it any more."""
    workspace = builder.workspace
    number = registry.aliases(workspace.study).get(CHAMPION) if workspace.scored else None
    if number is None:
        return []
    same = registry.originals(workspace.study)
    if same[number] in [same[v.number] for v in builder.versions.values() if v.number]:
        return []
    try:
        version, runtime = registry.fetch(workspace.study.model_name, number, workspace.scratch)
    except UserError as error:
        print(f"benchmark: without version {number}, the champion: {error}", flush=True)
        return []
    if version.artifact.manifest.labels != workspace.labels:
        print(f"benchmark: without version {number}, the champion: it has other labels", flush=True)
        return []
    return [Subject(f"{version.variant}@v{number}", number, runtime, version.artifact)]


def _comparable_benchmark(workspace: Workspace, facts: Mapping[str, str]) -> Benchmark | None:
    """The benchmark before this one, if there is one, on such a machine."""
    try:
        before = last_benchmark(workspace.study, workspace.weights.random)[1]
    except UserError:
        return None
    same = all(before.environment.get(key) == facts[key] for key in ("cpu", "cores", "threads"))
    return before if same and REFERENCE_LAST in before.environment else None


def _blank_benchmark(
    workspace: Workspace,
    facts: Mapping[str, str],
    measured: MeasuredSubjects,
    before: Benchmark | None,
) -> Benchmark:
    """The benchmark without its measurements."""
    facts = {**facts, **{name: f"{value:.3f}" for name, value in measured.drift.items()}}
    facts |= describe_scored(workspace)
    if before is not None:
        facts[REFERENCE_BEFORE] = before.environment[REFERENCE_LAST]
    return Benchmark(
        study=workspace.study.name,
        synthetic=workspace.splits.synthetic,
        random_weights=workspace.weights.random,
        notes=workspace.notes,
        environment=facts,
        measurements=(),
    )


def _note_failures(builder: Builder, measured: MeasuredSubjects) -> None:
    """Print what could not be measured; a variant among it has failed."""
    for name, message in measured.failed.items():
        why = message.removeprefix("benchmark: ")
        print(f"benchmark: without {name}: {why}", flush=True)
        if name in builder.versions:
            builder.failed[name] = FAILURE_PREFIX + why
