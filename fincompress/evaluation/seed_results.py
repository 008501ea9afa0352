"""Seed results: the records of a table over several training seeds.

They are written as JSON and read back by later commits: a field may be added with a default, and
none may be renamed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from pydantic import Field

from fincompress.config import settings
from fincompress.evaluation.results import FamilyResult, PairComparison


@settings
class SeedTableRow:
    """A variant or an ablation, over all seeds.

    `variant`: its name. `beside`: what it is compared with: its source, or the variant that an
    ablation changes. `question`: what an ablation asks. `macro_f1`: that on test, one for each
    seed. `metrics`, `intervals`: means over the seeds, and their 95 % intervals over sentences.
    """

    variant: str
    beside: str
    question: str = ""
    macro_f1: tuple[float, ...]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    def with_means(self, metrics: Sequence[Mapping[str, float]]) -> "SeedTableRow":
        """Return the row with the means of further metrics, which each seed has."""
        means = {key: fmean(own[key] for own in metrics) for key in metrics[0]}
        return replace(self, metrics=self.metrics | means)


@settings
class SeedTable:
    """All results over several seeds; `seeds.json` and `ablations.json` hold one each.

    `study`: its name. `synthetic`: whether the data are the generated corpus. `notes`: licences and
    warnings of data and bases. `environment`: CPU, library versions and the like. `seeds`: the
    training seeds. `runs`: for each seed, the MLflow run in which each variant was built. `rows`:
    one for each variant or ablation. `pairs`: the comparisons that the study asks for.
    `behaviour`: the results of the behavioural tests, those of all families first.
    """

    study: str
    synthetic: bool
    notes: tuple[str, ...]
    environment: dict[str, str]
    seeds: tuple[int, ...]
    runs: dict[str, dict[str, str]] = Field(default_factory=dict)
    rows: tuple[SeedTableRow, ...]
    pairs: tuple[PairComparison, ...] = ()
    behaviour: tuple[FamilyResult, ...] = ()
