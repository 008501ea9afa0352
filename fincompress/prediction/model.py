"""Model: a loaded classifier that answers texts with labels and scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from fincompress.artifact import Artifact
from fincompress.config import UserError
from fincompress.machine.cpu import usable_cores
from fincompress.models.probabilities import class_probabilities
from fincompress.runtimes import LoadedPredictor, Predictor, load_runtime


class Answer(TypedDict):
    """What a model says of one text: its label, the score of that, and the scores of all labels.

    Scores are the model's softmax, which sums to 1. All three are None if there is no text.
    """

    label: str | None
    score: float | None
    scores: dict[str, float] | None


@dataclass(frozen=True)
class Model:
    """A loaded classifier.

    `name`: how it is shown. `artifact`: its files. `runtime`: what it was loaded on. `predictor`:
    computes its logits.
    """

    name: str
    artifact: Artifact
    runtime: str
    predictor: LoadedPredictor

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes, in the order of its logits."""
        return self.artifact.manifest.labels

    def predict(self, texts: Sequence[str | None]) -> list[Answer]:
        """Return an `Answer` for each of `texts`.

        One that is missing (None or NaN) or blank is answered with None. Raises `UserError` for
        anything else that is not a string.
        """
        return answer_texts(self.predictor, self.labels, texts)


def load_artifact(artifact: Artifact, runtime: str, name: str, threads: int = 0) -> Model:
    """Load an artifact on a runtime for `threads` CPU threads; 0 are all that may be used."""
    predictor = load_runtime(runtime).load(artifact, threads or usable_cores())
    return Model(name, artifact, runtime, predictor)


def answer_texts(
    predictor: Predictor, labels: Sequence[str], texts: Sequence[str | None]
) -> list[Answer]:
    """Return what `Model.predict` does, for a predictor whose classes are `labels`."""
    given = [place for place, text in enumerate(texts) if has_words(text, place)]
    answers = [Answer(label=None, score=None, scores=None) for _ in texts]
    if not given:
        return answers
    words: list[Any] = [texts[place] for place in given]
    for place, row in zip(given, class_probabilities(predictor(words)).tolist(), strict=True):
        scores = dict(zip(labels, row, strict=True))
        label = max(scores, key=scores.__getitem__)
        answers[place] = Answer(label=label, score=scores[label], scores=scores)
    return answers


def has_words(text: object, place: int = 0) -> bool:
    """Return whether `text` is one: not None, NaN or blank.

    Raises `UserError`, with its `place` from 0, if it is something else.
    """
    if isinstance(text, str):
        return bool(text) and not text.isspace()
    if text is None or text != text:  # NaN alone differs from itself
        return False
    raise UserError(f"text {place + 1}: must be a string or null, not {text!r}")
