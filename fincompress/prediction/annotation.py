"""Annotation: records with the columns added that a model's answers are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fincompress.config import UserError
from fincompress.prediction.model import Answer, Model, has_words
from fincompress.prediction.records import TEXT, Record

DECIMALS = 6  # of a score, as many as float32 has


@dataclass
class Counts:
    """What has been annotated.

    `rows`: of the input. `without_text`: those whose text is missing or blank. `cut`: those whose
    text is longer than the model reads.
    """

    rows: int = 0
    without_text: int = 0
    cut: int = 0


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
        added = ["label", "score", *(f"score_{label}" for label in model.labels)]
        names = tuple(f"{prefix}{name}" for name in added)
        if clash := [name for name in names if name in columns]:
            raise UserError(
                f"prefix: the input has a column '{clash[0]}' already; give --prefix predicted_, "
                "or other text to begin the names of the new columns with"
            )
        return cls(model, column, names)

    def annotate(self, records: Sequence[Record], counts: Counts) -> list[Record]:
        """Return the records with their answers, after a call of the model, and count them.

        Raises `UserError`, with the row's number, for a text that is no string.
        """
        texts = [record.get(self.column) for record in records]
        for place, text in enumerate(texts, start=counts.rows):
            has_words(text, place)
        cut = self.model.predictor.texts_cut
        answers = self.model.predict(texts)
        counts.rows += len(records)
        counts.without_text += sum(answer["label"] is None for answer in answers)
        counts.cut += self.model.predictor.texts_cut - cut
        return [
            record | dict(zip(self.names, self._values(answer), strict=True))
            for record, answer in zip(records, answers, strict=True)
        ]

    def schema(self, own: Any) -> Any:
        """Return the Arrow types of annotated records, whose own are `own`."""
        import pyarrow as pa  # takes a while to import

        label, *scores = self.names
        own = own.append(pa.field(label, pa.string()))
        for score in scores:
            own = own.append(pa.field(score, pa.float64()))
        return own

    def _values(self, answer: Answer) -> list[object]:
        scores = answer["scores"]
        if scores is None:
            return [None] * len(self.names)
        top = scores[str(answer["label"])]
        return [answer["label"], *(round(score, DECIMALS) for score in (top, *scores.values()))]
