"""Verb `demo`: the teacher and its variants side by side in the browser, served or exported."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fincompress.artifact import folder_mb
from fincompress.commands.failures import STORES
from fincompress.commands.options import Options
from fincompress.commands.promote import roles_now
from fincompress.config import UserError, nearest
from fincompress.demo.content import ChangedAnswer, Content
from fincompress.demo.space import PICTURE, SDK, ExportedModel, write_demo
from fincompress.evaluation.error_analysis import disagreements_with_teacher
from fincompress.evaluation.results import TEST, Answers, Benchmark, Measurement, mark_synthetic
from fincompress.models.storage import TORCH_FORMAT
from fincompress.prediction.model import Model
from fincompress.prediction.saved_model import check_new_folder
from fincompress.promotion import CHAMPION, TEACHER
from fincompress.reports.columns import table_cells
from fincompress.reports.summary import recommendation
from fincompress.reports.tables import benchmark_notes, ladder_columns, named_with_roles
from fincompress.studies import ALL
from fincompress.studies.study import Study
from fincompress.tracking import registry, runs
from fincompress.tracking.addresses import reason
from fincompress.tracking.loading import load
from fincompress.tracking.results import answers_of, last_benchmark
from fincompress.tracking.store import open_store

EXPORT_RUNTIME = "onnx_runtime"  # of what is in PyTorch's format: the page needs no PyTorch
EXAMPLES_OF_LABEL, CHANGED_OF_VARIANT = 2, 10


def open_demo(options: Options) -> None:
    """Serve the demo of a study's last benchmark, or export it to a folder.

    Raises `UserError` without Gradio or a benchmark, for variants that it has not measured, and for
    a folder that has files.
    """
    if find_spec(SDK) is None:
        raise UserError(
            "demo: needs Gradio, which is not installed; run: pip install --editable '.[demo]'"
        )
    out = options.export
    if out is not None:
        _check_export(options, out)
    study = Study.load(options.study)
    open_store()
    run_id, benchmark = last_benchmark(study)
    rows, roles = _select(benchmark, options.variant), roles_now(study, benchmark)
    content = _content(study, benchmark, rows, roles, answers_of(study, run_id))
    picture = runs.read_figures(run_id).get(Path(PICTURE).stem)
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        if out is not None:
            models = [_exported(study, row, Path(scratch)) for row in rows]
            write_demo(out, content, models, picture)
            _tell(out, dict.fromkeys(note for m in models for note in m.artifact.manifest.notes))
            return
    from fincompress.demo.app import serve_demo  # takes seconds

    versions = {row.variant: str(row.version) for row in rows}

    def load_variant(variant: str) -> Model:
        try:
            return load(versions[variant], study.name, options.threads)
        except (OSError, *STORES) as error:
            raise UserError(reason(error)) from None

    serve_demo(content, load_variant, picture, options.port or None, options.share)


def _check_export(options: Options, out: Path) -> None:
    """Raise `UserError` for a folder that has files, and options that are for serving."""
    for name in ("threads", "port", "share"):
        if getattr(options, name):
            raise UserError(f"{name}: is for a demo that is served; leave it out beside export")
    check_new_folder(out, "export")


def _tell(out: Path, notes: Iterable[str]) -> None:
    """Say what was written to the folder `out`, how to start it, and under what licences."""
    shown = shlex.quote(str(out))
    print(f"written to {out}, {folder_mb(out):.0f} MB: a Hugging Face Space as it is")
    for note in notes:
        print(f"  {note}")
    print(f"  pip install -r {shown}/requirements.txt && python {shown}/app.py")


def _select(benchmark: Benchmark, wanted: str) -> list[Measurement]:
    """The measurements of the registered versions among the variants `wanted`, the teacher first.

    Those are names with ',' between, to which the teacher is added, or all.
    """
    versions = {m.variant: m for m in benchmark.measurements if m.version is not None}
    chosen = [*versions] if wanted == ALL else [name.strip() for name in wanted.split(",")]
    names = [TEACHER, *chosen]
    for name in names:
        if name not in versions:
            raise UserError(
                f"variant: '{name}' is not in the last benchmark of '{benchmark.study}'; "
                f"{nearest(name, versions)}"
            )
    return [versions[name] for name in dict.fromkeys(names)]


def _content(
    study: Study,
    benchmark: Benchmark,
    rows: Sequence[Measurement],
    roles: Mapping[str, str],
    answers: Answers,
) -> Content:
    names = [row.variant for row in rows]
    champion = roles.get(CHAMPION)
    changed = disagreements_with_teacher(answers, TEACHER, names[1:])
    changed = changed.groupby("variant", sort=False).head(CHANGED_OF_VARIANT)
    facts = benchmark.environment
    ladder = table_cells(benchmark.measurements, ladder_columns(benchmark), named_with_roles(roles))
    return Content(
        title=mark_synthetic(f"FinCompress: {study.name}", benchmark.synthetic),
        description=study.description.strip(),
        recommendation=recommendation(study, benchmark, roles),
        notes=tuple(benchmark_notes(benchmark)),
        variants=tuple(names),
        chosen=tuple(dict.fromkeys([TEACHER, champion if champion in names else names[-1]])),
        example=study.data.example,
        examples=_examples(answers),
        ladder=tuple(tuple(cells) for cells in ladder),
        measured=f"Measured on {facts.get('cpu', 'an unknown CPU')} with {facts.get('threads')} "
        f"threads, commit {facts.get('commit', 'unknown')}. In brackets 95 % intervals.",
        changed=tuple(
            ChangedAnswer(
                variant=row["variant"],
                text=row["text"],
                label=row["label"],
                teacher=f"{row['teacher_answer']} {row['teacher_score']:.2f}",
                answer=f"{row['answer']} {row['score']:.2f}",
            )
            for row in changed.to_dict("records")
        ),
    )


def _examples(answers: Answers) -> tuple[str, ...]:
    """A few sentences of test for each label, those that the teacher answers right."""
    right = answers.predicted(TEACHER, TEST) == np.array(answers.labels[TEST])  # (n,)
    found: dict[int, list[str]] = {place: [] for place in range(len(answers.label_names))}
    for text, label, good in zip(answers.texts[TEST], answers.labels[TEST], right, strict=True):
        if good and len(found[label]) < EXAMPLES_OF_LABEL:
            found[label].append(text)
    return tuple(text for texts in found.values() for text in texts)


def _exported(study: Study, row: Measurement, scratch: Path) -> ExportedModel:
    """The version that was measured; in ONNX, if it is in PyTorch's format."""
    assert row.version is not None, "only versions are selected"
    version, runtime = registry.fetch(study.model_name, row.version, scratch)
    artifact = version.artifact
    if artifact.manifest.format == TORCH_FORMAT:
        from fincompress.export import export  # takes seconds

        artifact, runtime = export(artifact, EXPORT_RUNTIME, scratch / row.variant), EXPORT_RUNTIME
    return ExportedModel(artifact, study.name, row.variant, row.version, runtime)
