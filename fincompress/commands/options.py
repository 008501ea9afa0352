"""commands.options: TODO"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fincompress.studies.variants import ALL
from fincompress.tuning import trial_queue

TRAINED, RANDOM = WEIGHTS = ("trained", "random")


@dataclass(frozen=True)
class Options:
    """What was asked, with the defaults of every verb."""

    study: str = "quickstart"
    variant: str = ALL
    data_dir: Path | None = None
    again: bool = False
    promote: bool = True
    any_cpu: bool = False
    seeds: int = 1
    ablations: str = ""
    extra_test: Path | None = None
    dry_run: bool = False
    rollback: bool = False
    weights: str = TRAINED
    commit_to: Path | None = None
    tuned: bool = False
    trials: int = 30
    workers: int = 1
    epochs: int | None = None
    max_latency_ms: float | None = None
    max_f1_drop: float | None = None
    storage: str = ""
    port: int = trial_queue.PORT
    asked: Mapping[str, str] = field(default_factory=dict)  # as `mlflow run` would log it
