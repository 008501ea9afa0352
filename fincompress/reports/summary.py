"""Summary of a finished study: its champion, what it gains over the teacher, and next commands."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fincompress.evaluation.results import (
    SIZE,
    SPEEDUP,
    TEST,
    Benchmark,
    Measurement,
    difference_keys,
    format_points,
    mark_synthetic,
)
from fincompress.promotion import CHAMPION, TEACHER
from fincompress.studies.study import Study

REAL_STUDY = "cpu"  # what to run after a look at synthetic data


@dataclass(frozen=True)
class Holder:
    """The version that has the alias `champion`.

    `variant`: its variant's name. `version`: its number in the model registry.
    """

    variant: str
    version: int


def holder(aliases: Mapping[str, int], variants: Mapping[int, str]) -> Holder | None:
    """Return the version that has the alias `champion`, or None.

    `aliases` are version numbers by alias, `variants` variant names by version number.
    """
    number = aliases.get(CHAMPION, 0)  # versions count from 1
    return Holder(variants[number], number) if number in variants else None


def interpreter() -> str:
    """Return the path of the running Python, quoted for a shell.

    It is relative if it lies inside the current folder.
    """
    path = Path(sys.executable)
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def summary(
    study: Study,
    benchmark: Benchmark,
    champion: Holder | None,
    *,
    python: str,
    default_store: bool,
    data_dir: Path | None = None,
    decided: bool = True,
) -> str:
    """Return the lines with which a study ends.

    `python` is the interpreter of the commands, quoted for a shell; `default_store` says that the
    store is the file `mlflow.db` of this folder, where commands find it without a variable;
    `data_dir` is the folder of corpora that the study was given, and is given to commands that
    read them. `decided` says that the decision was printed before them.
    """
    folder = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir else ""
    fincompress = f"{python} -m fincompress"
    if champion is None:
        failing = (
            "The decision above has what each variant passes and fails; change 'gate' in "
            f"experiments/{study.name}.yaml, and decide again:"
        )
        lines = [
            f"{study.model_name} has no {CHAMPION}",
            failing if decided else "Nothing was decided yet; decide:",
            f"  {fincompress} promote --study {study.name}",
        ]
    else:
        load = f"mlflow.pyfunc.load_model('models:/{study.model_name}@{CHAMPION}')"
        # Left to itself, MLflow percent-encodes this address, and makes a folder of that name.
        store = "mlflow.set_tracking_uri('sqlite:///mlflow.db'); " if default_store else ""
        code = f"import mlflow; {store}print({load}.predict(['{study.data.example}']))"
        named = f"{study.model_name}@{CHAMPION} is {champion.variant}, version {champion.version}"
        lines = [
            mark_synthetic(named, benchmark.synthetic),
            _gained(benchmark, champion),
            "Try next, in this folder. Ask it:",
            f'  {python} -c "{code}"',
        ]
    if benchmark.synthetic:
        real = f"{fincompress} main --study {REAL_STUDY}{folder}"
        then = ["The same study on real text (from the hub, or --data-dir FOLDER):", f"  {real}"]
    else:
        tune = f"{fincompress} tune --study {study.name}{folder}"
        then = ["Search for better settings of every variant:", f"  {tune}"]
    return "\n".join([*lines, "See every run and version:", "  make ui", *then])


def _gained(benchmark: Benchmark, champion: Holder) -> str:
    # A champion of an earlier recipe is measured beside the variant's version of today.
    ours = next((m for m in benchmark.measurements if m.version == champion.version), None)
    return "This benchmark has not measured it." if ours is None else gains(benchmark, ours)


def gains(benchmark: Benchmark, champion: Measurement) -> str:
    """Return in words how much faster and smaller a champion is than the teacher, and how good."""
    if champion.variant == TEACHER:
        return "No faster variant passes the gate."
    teacher = next(m for m in benchmark.measurements if m.variant == TEACHER)
    difference, _ = difference_keys(TEACHER, TEST)
    smaller = teacher.metrics[SIZE] / champion.metrics[SIZE]
    return (
        f"{champion.metrics[SPEEDUP]:.1f} times as fast as the teacher, {smaller:.1f} times "
        "smaller; test macro-F1 less the teacher's: "
        f"{format_points(champion.metrics[difference], champion.intervals[difference])} points"
    )


def recommendation(study: Study, benchmark: Benchmark, roles: Mapping[str, str]) -> str:
    """Return in a sentence which variant to run, and why; `roles` are variants by role."""
    if benchmark.random_weights:
        return "Nothing is recommended: the weights are random, and speed alone was measured."
    if CHAMPION not in roles:
        return "Nothing is recommended: no variant was promoted."
    champion = next((m for m in benchmark.measurements if m.variant == roles[CHAMPION]), None)
    if champion is None or champion.version is None:
        return f"Run {roles[CHAMPION]}, the champion, which this benchmark has not measured."
    address = f"models:/{study.model_name}@{CHAMPION}"
    return f"Run {champion.variant} ({address}): {gains(benchmark, champion)}"
