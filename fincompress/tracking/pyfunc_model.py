"""MLflow pyfunc model of every registered version: takes texts, returns labels with scores.

MLflow runs this file to load a model ("model from code"), so nothing is pickled.
"""

from pathlib import Path
from typing import Any

import mlflow

from fincompress.artifact import read_artifact
from fincompress.machine.cpu import usable_cores
from fincompress.models.probabilities import class_probabilities
from fincompress.runtimes import load_runtime


class SentimentModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A sentiment classifier that runs an artifact on its runtime.

    `model_config` has `runtime`, the runtime's name, and `threads`; 0 threads stand for all cores
    that the process may use.
    """

    def load_context(self, context: Any) -> None:
        """Load the artifact of `context`; MLflow calls this once, before any prediction."""
        artifact = read_artifact(Path(context.artifacts["artifact"]))
        threads = context.model_config["threads"] or usable_cores()
        self.labels = artifact.manifest.labels
        self.predictor = load_runtime(context.model_config["runtime"]).load(artifact, threads)

    def predict(
        self, context: Any, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[dict[str, object]]:
        """Return for each text its `label`, the `score` of that, and the `scores` of all labels.

        Scores are the model's softmax, which sums to 1. `params` are ignored.
        """
        answers: list[dict[str, object]] = []
        for row in class_probabilities(self.predictor(model_input)).tolist():
            scores = dict(zip(self.labels, row, strict=True))
            label = max(scores, key=scores.__getitem__)
            answers.append({"label": label, "score": scores[label], "scores": scores})
        return answers


mlflow.models.set_model(SentimentModel())
