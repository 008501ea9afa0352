"""Answers of several models, side by side: to one text, and to the rows of a file."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fincompress.config import UserError
from fincompress.demo.content import OpenModel
from fincompress.prediction.annotation import Annotator, answer_columns
from fincompress.prediction.model import Answer
from fincompress.prediction.records import CSV, Record, csv_line, open_records, write_text

MOST_ROWS = 2000  # of a file: a demo is for looking, and the teacher may answer thirty a second
LONGEST_TEXT = 10_000  # characters; models read a few hundred words
CALL_ROWS = 100  # between two steps of the progress bar
FILE_ENDINGS = (".csv", ".jsonl", ".txt")


@dataclass(frozen=True)
class TimedAnswer:
    """What a variant says of one text.

    `variant`: its name. `answer`: the label with its scores. `way`: the engine that computed it.
    `milliseconds`: how long this very call took, from text to answer.
    """

    variant: str
    answer: Answer
    way: str
    milliseconds: float


def ask_variants(
    text: str, variants: Sequence[str], open_model: OpenModel
) -> tuple[TimedAnswer, ...]:
    """Return the answer of each of `variants` to `text`, in one call of each, in turn.

    Raises `UserError` if there is no text or no variant, or if a model cannot be loaded.
    """
    if not (text or "").strip():
        raise UserError("There is no text. Write a sentence, or click one of the examples.")
    if len(text) > LONGEST_TEXT:
        raise UserError(f"The text is too long: at most {LONGEST_TEXT:,} characters.")
    if not variants:
        raise UserError("No variant is chosen. Choose at least one.")
    models = [open_model(variant) for variant in variants]  # before anything is timed
    answers = []
    for variant, model in zip(variants, models, strict=True):
        began = time.perf_counter()
        (answer,) = model.predict([text])
        milliseconds = 1e3 * (time.perf_counter() - began)
        answers.append(TimedAnswer(variant, answer, model.predictor.way, milliseconds))
    return tuple(answers)


def describe_agreement(answers: Sequence[TimedAnswer]) -> str:
    """Return in a line of Markdown whether `answers` agree, and who says what if they do not."""
    said: dict[str, list[str]] = {}
    for each in answers:
        said.setdefault(str(each.answer["label"]), []).append(each.variant)
    if len(said) == 1:
        (label,) = said
        alone = len(answers) == 1
        return f"{answers[0].variant} says **{label}**." if alone else f"All say **{label}**."
    parts = [f"**{label}**: {', '.join(who)}" for label, who in said.items()]
    return f"They disagree. {'; '.join(parts)}."


@dataclass(frozen=True)
class AnsweredFile:
    """The rows of a file with the answers of several variants.

    `columns`: the names of all columns, the variants' last. `rows`: the rows. `texts`: the column
    of the texts. `labels`: by variant, the column with its label.
    """

    columns: tuple[str, ...]
    rows: tuple[Record, ...]
    texts: str
    labels: dict[str, str]

    @property
    def disputed_first(self) -> list[Record]:
        """All rows, and before the others those on which the variants do not say the same."""
        names = self.labels.values()
        return sorted(self.rows, key=lambda row: len({row[name] for name in names}) == 1)

    def describe(self) -> str:
        """Return in Markdown how many rows there are, and on how many each pair disagrees."""
        first, *others = self.labels
        lines = [f"**{len(self.rows):,} rows.**"]
        for other in others:
            differ = sum(row[self.labels[first]] != row[self.labels[other]] for row in self.rows)
            share = differ / len(self.rows)
            lines.append(f"{other} and {first} disagree on {differ:,} ({share:.1%}).")
        return " ".join(lines)

    def write_csv(self, path: Path) -> None:
        """Write all rows as CSV, in which no cell is run as a formula by a spreadsheet."""
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_line(self.columns))
            write_text(file, CSV, self.columns, self.rows)


def answer_file(
    path: Path,
    column: str,
    variants: Sequence[str],
    open_model: OpenModel,
    tell: Callable[[float, str], None],
) -> AnsweredFile:
    """Return the rows of a file, with the texts in `column`, and what each of `variants` answers.

    `tell` is called with the share that is done, from 0 to 1, and the variant at work. Raises
    `UserError` for a file that cannot be read, is empty or too long, or has no such column.
    """
    if not variants:
        raise UserError("No variant is chosen. Choose at least one.")
    try:
        with open_records(path) as records:
            columns, rows = records.columns, list(islice(records.rows, MOST_ROWS + 1))
    except UserError as error:  # whose message names the file as the server keeps it
        raise UserError(str(error).replace(str(path), path.name)) from None
    if not rows:
        raise UserError(f"{path.name} has no rows.")
    if len(rows) > MOST_ROWS:
        raise UserError(
            f"{path.name} has more than the {MOST_ROWS:,} rows that a demo answers; for larger "
            "files: fincompress predict --input FILE --output FILE"
        )
    added, labels, texts = list[str](), dict[str, str](), column
    for place, variant in enumerate(variants):
        prefix = f"{variant}_"
        model = open_model(variant)
        if clash := set(answer_columns(model.labels, prefix)).intersection(columns):
            raise UserError(
                f"{path.name} has a column '{min(clash)}', which is the name of an answer; rename "
                "it, or leave it out"
            )
        annotator = Annotator.of(model, columns, column, prefix)
        texts, labels[variant] = annotator.column, annotator.names[0]
        added += annotator.names
        for start in range(0, len(rows), CALL_ROWS):
            tell((place + start / len(rows)) / len(variants), variant)
            call = rows[start : start + CALL_ROWS]
            values, _ = annotator.answer(annotator.texts(call), start)
            rows[start : start + CALL_ROWS] = annotator.annotated(call, values)
    return AnsweredFile((*columns, *added), tuple(rows), texts, labels)
