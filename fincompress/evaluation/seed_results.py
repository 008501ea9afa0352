"""evaluation.seed_results: TODO"""

from pydantic import Field

from fincompress.config import settings
from fincompress.evaluation.results import PairComparison


@settings
class SeedTableRow:
    """One variant, or an ablation with the question it answers.

    `beside` is its source, or the variant that an ablation changes. `macro_f1` is that on test
    for each seed; `metrics` and `intervals` are over all of them.
    """

    variant: str
    beside: str
    question: str = ""
    macro_f1: tuple[float, ...]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]


@settings
class SeedTable:
    """All of one table, as its JSON file holds it.

    `runs` has, for each seed, the run in which each variant was built.
    """

    study: str
    synthetic: bool
    notes: tuple[str, ...]
    environment: dict[str, str]
    seeds: tuple[int, ...]
    runs: dict[str, dict[str, str]] = Field(default_factory=dict)
    rows: tuple[SeedTableRow, ...]
    pairs: tuple[PairComparison, ...] = ()
