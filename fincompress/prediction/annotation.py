"""Annotation: records with the columns added that a model's answers are."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from fincompress.config import UserError
from fincompress.prediction.model import Answer, Model, has_words
from fincompress.prediction.records import TEXT, Record

DECIMALS = 6  # of a score, as many as float32 has

AddedValues = tuple[str | float | None, ...]  # of the columns that are added, in their order


@dataclass
class Counts:
    """What has been annotated.

    `rows`: of the input. `without_text`: those whose text is missing or blank. `cut`: those whose
    text is longer than the model reads. `handed_over`: those that a cascade's second model
    answered.
    """

    rows: int = 0
    without_text: int = 0
    cut: int = 0
    handed_over: int = 0

    def add(self, other: "Counts") -> None:
        """Add the counts of another."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def answer_columns(labels: Sequence[str], prefix: str) -> tuple[str, ...]:
    """Return the names of the columns that answers take: label, score, and that of each label."""
    names = ("label", "score", *(f"score_{label}" for label in labels))
    return tuple(f"{prefix}{name}" for name in names)


@dataclass(frozen=True)
class Annotator:
    """Adds a model's answers to records.

    `model`: what answers. `column`: where the texts are. `names`: of the columns that are added:
    the label, its score, and the score of each label.
    """

    model: Model
    column: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, columns: Sequence[str], column: str, prefix: str) -> "Annotator":
        """Return what annotates records of `columns`; `prefix` begins the names that it adds.

        Where there is only one column it need not be named. Raises `UserError` if there is no
        `column`, or one has a name that would be added.
        """
        if column not in columns:
            if column != TEXT or len(columns) != 1:
                found = ", ".join(columns) or "none"
                raise UserError(f"column: the input has no column '{column}'; found: {found}")
            column = columns[0]
        names = answer_columns(model.labels, prefix)
        if clash := [name for name in names if name in columns]:
            raise UserError(
                f"prefix: the input has a column '{clash[0]}' already; give --prefix predicted_, "
                "or other text to begin the names of the new columns with"
            )
        return cls(model, column, names)

    def answer(self, texts: Sequence[Any], first: int = 0) -> tuple[list[AddedValues], Counts]:
        """Return the values of the new columns for each text, after one call of the model.

        `first` is the number of rows before these. Raises `UserError`, with the row's number, for a
        text that is no string.
        """
        for place, text in enumerate(texts, start=first):
            has_words(text, place)
        predictor = self.model.predictor
        cut, handed_over = predictor.texts_cut, predictor.texts_handed_over
        answers = self.model.predict(texts)
        counts = Counts(
            rows=len(texts),
            without_text=sum(answer["label"] is None for answer in answers),
            cut=predictor.texts_cut - cut,
            handed_over=predictor.texts_handed_over - handed_over,
        )
        return [self._values(answer) for answer in answers], counts

    def texts(self, records: Sequence[Record]) -> list[Any]:
        """Return the text of each record; None if it has none."""
        return [record.get(self.column) for record in records]

    def annotated(self, records: Sequence[Record], values: Sequence[AddedValues]) -> list[Record]:
        """Return the records with the new columns' values."""
        return [
            record | dict(zip(self.names, row, strict=True))
            for record, row in zip(records, values, strict=True)
        ]

    def schema(self, own: Any) -> Any:
        """Return the Arrow types of annotated records, whose own are `own`."""
        import pyarrow as pa  # takes a while to import

        label, *scores = self.names
        own = own.append(pa.field(label, pa.string()))
        for score in scores:
            own = own.append(pa.field(score, pa.float64()))
        return own

    def _values(self, answer: Answer) -> AddedValues:
        scores = answer["scores"]
        if scores is None:
            return (None,) * len(self.names)
        top = scores[str(answer["label"])]
        return answer["label"], *(round(score, DECIMALS) for score in (top, *scores.values()))
