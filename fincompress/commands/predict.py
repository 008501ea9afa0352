"""Verb `predict`: texts of arguments, standard input or a file, answered by a registered model."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice

from fincompress.commands.options import Options
from fincompress.config import UserError, nearest
from fincompress.machine.cpu import usable_cores
from fincompress.machine.progress import RowProgress
from fincompress.prediction.annotation import Annotator, Counts
from fincompress.prediction.model import Model
from fincompress.prediction.parts import open_parts
from fincompress.prediction.processes import open_processes
from fincompress.prediction.records import (
    CSV,
    JSONL,
    LINES,
    PARQUET,
    Record,
    Records,
    RecordWriter,
    csv_line,
    file_format,
    join_files,
    open_records,
    text_records,
    write_text,
)
from fincompress.prediction.terminal import print_table
from fincompress.tracking.loading import load

CALL_TEXTS = 1000  # in one call of the model
LARGE_BYTES = 20_000_000  # of an input: then it is worth it to start a process for each core
MOST_PROCESSES = 8  # unless more are asked for: each holds the model, some 300 MB
PART_SECONDS = 10  # of work, at most, that a process which is killed loses
TABLE = "table"
PRINTED = (TABLE, CSV, JSONL)  # formats of standard output


def predict_texts(options: Options) -> None:
    """Answer texts with a registered model, and write what it says beside each row's own columns.

    Without an output file the rows go to standard output. Raises `UserError` for an input or an
    output that does not fit. Of a file that is not finished, all parts that are whole stay.
    """
    _check(options)
    logging.getLogger("fincompress").setLevel(logging.ERROR)  # what it warns of is told at the end
    model = load(options.model, options.study, options.threads)
    if options.input is not None:
        with open_records(options.input) as records:
            _predict(model, records, options)
    else:
        lines: Iterable[str] = options.texts or sys.stdin
        source = "the arguments" if options.texts else "standard input"
        _predict(model, text_records(lines, LINES, source), options)


def _check(options: Options) -> None:
    """Raise `UserError` for options that exclude one another, before a model is loaded."""
    given, out = options.input, options.output
    if given is not None and options.texts:
        raise UserError("input: a file and texts are given; leave out one of both")
    if given is None and not options.texts and sys.stdin.isatty():
        raise UserError(
            "predict: no texts; give some, as in: fincompress predict 'Profit rose 12 % .', or "
            "--input FILE, or pipe lines into it"
        )
    if options.resume and (given is None or out is None):
        raise UserError("resume: needs --input FILE, to read it again, and --output FILE")
    if options.format and options.format not in PRINTED:
        raise UserError(
            f"format: unknown format '{options.format}'; {nearest(options.format, PRINTED)}"
        )
    if out is None:
        return
    if options.format:
        raise UserError("format: is that of standard output; a file's is that of its ending")
    if file_format(out, "output") == LINES:
        raise UserError(f"output: '{out}' must end in .csv, .jsonl or .parquet")
    if given is not None and out.resolve() == given.resolve():
        raise UserError(f"output: '{out}' is the input, too; give another name")
    if out.is_dir() or not out.parent.is_dir():
        raise UserError(f"output: '{out}' cannot be written: its folder is missing, or it is one")


def _predict(model: Model, records: Records, options: Options) -> None:
    annotator = Annotator.of(model, records.columns, options.column, options.prefix)
    columns, begun = [*records.columns, *annotator.names], time.monotonic()
    if options.output is None:
        counts = _print(annotator, records, columns, options.format)
        done = counts.rows
    else:
        counts, done = _write_file(annotator, records, columns, options)
    seconds = time.monotonic() - begun
    print(_summary(model, counts, done / max(seconds, 1e-9)), file=sys.stderr)


def _calls(rows: Iterator[Record]) -> Iterator[list[Record]]:
    """The rows in lists, each for one call of the model."""
    while call := list(islice(rows, CALL_TEXTS)):
        yield call


def _print(annotator: Annotator, records: Records, columns: Sequence[str], form: str) -> Counts:
    """Write all rows to standard output: as a table if that is a terminal, or else as JSONL."""
    counts, form = Counts(), form or _default_format()
    if form == CSV:
        sys.stdout.write(csv_line(columns))
    with open_processes(annotator, 1) as annotate:
        for annotated, new in annotate(_calls(records.rows), 0):
            counts.add(new)
            if form == TABLE:
                print_table(annotated, annotator)
            else:
                write_text(sys.stdout, form, columns, annotated)
    return counts


def _default_format() -> str:
    return TABLE if sys.stdout.isatty() else JSONL


def _write_file(
    annotator: Annotator, records: Records, columns: Sequence[str], options: Options
) -> tuple[Counts, int]:
    """Write all rows to the output file; return their counts and how many were answered now."""
    assert options.output is not None, "the caller has checked it"
    kind = file_format(options.output, "output")
    schema = annotator.schema(records.schema()) if kind == PARQUET else None
    with open_parts(options.output, _job(annotator, options), options.resume) as parts:
        skipped = sum(1 for _ in islice(records.rows, parts.counts.rows))
        with (
            closing(RowProgress(records.share())) as progress,
            open_processes(annotator, _processes(options), options.threads) as annotate,
        ):
            calls = annotate(_calls(records.rows), skipped)
            while (first := next(calls, None)) is not None:
                until = time.monotonic() + PART_SECONDS
                with (
                    parts.next_part() as (path, counts),
                    closing(RecordWriter(path, kind, columns, schema)) as writer,
                ):
                    for annotated, new in chain([first], calls):
                        writer.write(annotated)
                        counts.add(new)
                        progress.add(new.rows, records.share())
                        if time.monotonic() > until:
                            break
        with parts.whole_output() as draft:
            join_files(parts.files, kind, columns, schema, draft)
    return parts.counts, parts.counts.rows - skipped


def _processes(options: Options) -> int:
    """How many processes answer: one, unless the input is large or the option says it."""
    if options.processes:
        return options.processes
    large = options.input is not None and options.input.stat().st_size >= LARGE_BYTES
    return min(usable_cores(), MOST_PROCESSES) if large else 1


def _job(annotator: Annotator, options: Options) -> dict[str, str]:
    """What must be the same for another process to go on with the output."""
    model = annotator.model
    job = {"model": model.name, "column": annotator.column, "prefix": options.prefix}
    job["recipe of the model"] = model.artifact.manifest.fingerprint
    if options.input is not None:
        facts = options.input.stat()
        job |= {"input": str(options.input.resolve()), "bytes of the input": str(facts.st_size),
                "time of the input": str(facts.st_mtime_ns)}  # fmt: skip
    return job


def _summary(model: Model, counts: Counts, speed: float) -> str:
    facts = [f"{counts.rows:,} rows by {model.name}"]
    if counts.rows >= CALL_TEXTS:
        facts.append(f"{speed:,.0f} a second")
    if counts.without_text:
        facts.append(f"{counts.without_text:,} without text, which got no answer")
    if counts.cut:
        facts.append(f"{counts.cut:,} cut after {model.artifact.manifest.max_length_tokens} tokens")
    if model.predictor.normal_share is not None and counts.rows >= CALL_TEXTS:
        share, normal = counts.handed_over / counts.rows, model.predictor.normal_share
        facts.append(f"{share:.1%} handed over to its second model (normal: {normal:.1%})")
    return "; ".join(facts)
