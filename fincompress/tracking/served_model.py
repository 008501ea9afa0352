"""Served models: predictions of registered versions, in a process that runs their logged code."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow

from fincompress.config import UserError
from fincompress.studies.study import Study
from fincompress.tracking.addresses import reason

SERVED_PATIENCE_S = 900  # for a process that loads a model and answers; the slowest takes a minute


@dataclass(frozen=True)
class Served:
    """The predictions of a registered version, loaded as it is served.

    `labels`: the label of each text. `overhead_ms`: the time that MLflow's pyfunc adds to a call,
    in ms. `way`: the engine and precision that computed them; empty for versions whose code does
    not tell.
    """

    labels: tuple[str, ...]
    overhead_ms: float
    way: str


def predict_served(
    study: Study, number: int, batches: Sequence[Sequence[str]], threads: int, calls: int = 200
) -> Served:
    """Predict with a registered version as its users do: in a process without this package.

    `batches` are lists of texts, each predicted in one call. `threads` is passed to the model;
    versions from before that setting use all cores that the process may use. The overhead is the
    median of `calls`. Raises `UserError` if the version does not load or predict.
    """
    uri = f"models:/{study.model_name}/{number}"
    request = {"model": uri, "threads": threads, "batches": batches, "calls": calls}
    with TemporaryDirectory(prefix="fincompress-served-") as folder:
        # Copies that MLflow makes of what it loads go with the folder.
        own = {"MLFLOW_TRACKING_URI": str(mlflow.get_tracking_uri()), "TMPDIR": folder}
        try:
            done = subprocess.run(
                [sys.executable, "-E", "-P", f"-Xutf8={sys.flags.utf8_mode}",
                 str(Path(__file__).with_name("served_model_process.py"))],
                input=json.dumps(request), env=os.environ | own, cwd=folder,
                timeout=SERVED_PATIENCE_S,
                capture_output=True, text=True, encoding="utf-8", errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            answer: dict[str, Any] = {"error": f"no answer within {SERVED_PATIENCE_S} s"}
        else:
            answer = _answer_of(done)
    if "error" in answer:
        raise UserError(
            f"{uri} does not load: {reason(UserError(answer['error']))}; "
            f"run: fincompress benchmark --study {study.name}"
        )
    return Served(tuple(answer["labels"]), answer["overhead_ms"], answer["way"])


def _answer_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The answer of a process, or as an error what it has said last."""
    if done.returncode == 0 and done.stdout:
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
    lines = done.stderr.strip().splitlines()
    said = f"its process ended with exit code {done.returncode}: {lines[-1] if lines else ''}"
    return {"error": said}
