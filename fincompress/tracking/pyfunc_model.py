"""MLflow pyfunc model of every registered version: takes texts, returns labels with scores.

MLflow runs this file to load a model ("model from code"), so nothing is pickled.
"""

import warnings
from pathlib import Path
from typing import Any

import mlflow

from fincompress.artifact import read_artifact
from fincompress.prediction.model import answer_texts, load_artifact

# `record` keeps what MLflow warns of as it reads the hint `Any` of a class, at each load, from
# being shown: the texts are checked here. Of a hint `str` it would refuse a request for one null.
with warnings.catch_warnings(record=True):

    class SentimentModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        """A sentiment classifier that runs an artifact on its runtime.

        `model_config` has `runtime`, the runtime's name, and `threads`; 0 threads stand for all
        cores that the process may use.
        """

        def load_context(self, context: Any) -> None:
            """Load the artifact of `context`; MLflow calls this once, before any prediction."""
            artifact = read_artifact(Path(context.artifacts["artifact"]))
            config = context.model_config
            model = load_artifact(artifact, config["runtime"], "registered", config["threads"])
            self.labels, self.predictor = model.labels, model.predictor

        def predict(
            self, context: Any, model_input: list[Any], params: dict[str, Any] | None = None
        ) -> list[Any]:
            """Return for each text its `label`, the `score` of that, and the `scores` of all.

            Scores are the model's softmax, which sums to 1. Of a null or blank text, all three are
            None. `params` are ignored.
            """
            return answer_texts(self.predictor, self.labels, model_input)


mlflow.models.set_model(SentimentModel())
