"""HTML report: a benchmark as one page, which needs neither a server nor a network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import pandas as pd
from jinja2 import Environment, StrictUndefined

from fincompress.config import dump
from fincompress.evaluation.error_analysis import disagreements_with_teacher, least_confident
from fincompress.evaluation.results import (
    Answers,
    Benchmark,
    Measurement,
    mark_synthetic,
)
from fincompress.promotion import CHAMPION, TEACHER
from fincompress.reports.behaviour_tables import describe_weaknesses
from fincompress.reports.columns import table_cells
from fincompress.reports.summary import recommendation
from fincompress.reports.tables import (
    benchmark_notes,
    drift_note,
    ladder_columns,
    named_with_roles,
    result_tables,
)
from fincompress.studies.study import Study

HTML_REPORT = "report.html"
TEXTS_SHOWN = 60  # rows of a table of texts
# Figures of a benchmark's run, in the order of the page, with what they show.
CAPTIONS = {
    "f1_against_latency": "Test macro-F1 with its 95 % interval against the median latency of one "
    "text. Marks are as large as what is deployed; the line joins what nothing beats in both.",
    "latency_distributions": "The latency of every timed call with one text.",
    "throughput": "Texts a second by the number of texts in a call.",
    "distillation_curves": "What students learned in each epoch.",
    "confusion": "Which class is taken for which, on test.",
    "reliability": "How often answers are right, against how sure they are. On the line, scores "
    "can be taken as probabilities.",
    "behaviour": "The share of cases passed of each family of behavioural tests.",
}


@dataclass(frozen=True)
class Table:
    """A table of a page.

    `title`: its heading. `cells`: rows of texts, the first of which are the columns' names.
    `filtered`: whether it has a field to filter it by.
    """

    title: str
    cells: Sequence[Sequence[str]]
    filtered: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture of a page.

    `title`: its heading. `caption`: what it shows. `source`: the image, as a data address.
    """

    title: str
    caption: str
    source: str


def html_report(
    study: Study,
    benchmark: Benchmark,
    roles: Mapping[str, str],
    answers: Answers | None,
    figures: Mapping[str, bytes],
    build_figures: Mapping[str, Mapping[str, bytes]],
    commands: Sequence[str],
) -> str:
    """Return a benchmark as an HTML page that holds all that it shows.

    `roles`: the variant that holds each role. `answers`: what the models answered, None for random
    weights. `figures`: PNG images of the benchmark's run by name, and `build_figures` those of the
    run that built a variant, by variant. `commands`: how to get these results again.
    """
    rows = benchmark.measurements
    names = named_with_roles(roles)
    tables = [
        Table(title, table_cells(rows, columns, names), filtered=True)
        for title, columns in result_tables(benchmark).items()
    ]
    notes = benchmark_notes(benchmark)
    notes += [note] if (note := drift_note(benchmark.environment)) else []
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(resources.files(__package__).joinpath(HTML_REPORT).read_text(encoding="utf-8"))
    return template.render(
        title=mark_synthetic(f"FinCompress: {study.name}", benchmark.synthetic),
        description=study.description.strip(),
        asked=_asked(study),
        recommendation=recommendation(study, benchmark, roles),
        limits=_limits(benchmark, roles),
        notes=notes,
        ladder=Table("Ladder", table_cells(rows, ladder_columns(benchmark), names), filtered=True),
        pairs=[str(pair) for pair in benchmark.pairs],
        figures=_figures(figures),
        build_figures=_build_figures(build_figures),
        texts=_text_tables(answers, rows, roles),
        tables=tables,
        environment=benchmark.environment,
        commands=commands,
    )


def _asked(study: Study) -> dict[str, str]:
    gate = {key: value for key, value in dump(study.gate).items() if value is not None}
    timing = study.benchmark
    return {
        "labels": ", ".join(study.data.labels),
        "data": ", ".join(study.data.sources),
        "gate": ", ".join(f"{key} {value}" for key, value in gate.items()),
        "timing": f"{timing.latency_runs} calls with one text, {timing.threads} threads",
    }


def _limits(benchmark: Benchmark, roles: Mapping[str, str]) -> str:
    own = next((m for m in benchmark.measurements if m.variant == roles.get(CHAMPION)), None)
    return describe_weaknesses(own.metrics) if own else ""


def _figures(images: Mapping[str, bytes]) -> list[Figure]:
    order = [*(name for name in CAPTIONS if name in images), *sorted(images.keys() - CAPTIONS)]
    return [Figure(_title(name), CAPTIONS.get(name, ""), _source(images[name])) for name in order]


def _build_figures(images: Mapping[str, Mapping[str, bytes]]) -> dict[str, list[Figure]]:
    return {
        variant: [Figure(_title(name), "", _source(image)) for name, image in sorted(own.items())]
        for variant, own in images.items()
        if own
    }


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _source(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def _text_tables(
    answers: Answers | None, rows: Sequence[Measurement], roles: Mapping[str, str]
) -> list[Table]:
    if answers is None or not answers.logits:
        return []
    versions = [m.variant for m in rows if m.version and m.variant in answers.logits]
    tables = [
        Table(
            "Where variants contradict the teacher most",
            _cells(disagreements_with_teacher(answers, TEACHER, versions)),
            filtered=True,
        )
    ]
    champion = roles.get(CHAMPION, "")
    if champion in answers.logits:
        unsure = _cells(least_confident(answers, champion, TEXTS_SHOWN))
        tables.append(Table(f"Where {champion} is least sure", unsure, filtered=True))
    return tables


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    shown = frame.head(TEXTS_SHOWN)
    return [[str(name) for name in frame.columns], *shown.astype(str).to_numpy().tolist()]
