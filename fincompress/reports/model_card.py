"""Model cards: what a registered version is, its data, licences, metrics and limits, as Markdown.

Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from collections.abc import Mapping, Sequence

from fincompress.artifact import Manifest
from fincompress.data import LABELS
from fincompress.evaluation.quality import CONFIDENT
from fincompress.evaluation.results import (
    ALL_FAMILIES,
    BEHAVIOUR,
    ECE,
    ECE_SCALED,
    EXTRA_F1,
    EXTRA_TEST,
    P50,
    SIZE,
    TEMPERATURE,
    TEST,
    TEST_AGREEMENT,
    TEST_F1,
    THROUGHPUT,
    VAL_F1,
    Measurement,
    behaviour_key,
    confident_errors_key,
    difference_keys,
    format_points,
)
from fincompress.reports.behaviour_tables import describe_weaknesses
from fincompress.studies.study import Study
from fincompress.studies.variants import BASE, VariantSpec
from fincompress.techniques import load_technique

MODEL_CARD = "model_card.md"


def model_card(
    study: Study,
    spec: VariantSpec,
    manifest: Manifest,
    data: Mapping[str, str],
    measured: Measurement | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return a variant's model card as Markdown.

    `data`: facts on the training data, by title. `measured`: the variant's measurement in a
    benchmark; without it the card has the build's validation metrics. `environment`: the machine
    and software of that benchmark.
    """
    made = "the pretrained base" if spec.source == BASE else f"`{spec.source}`"
    method = (load_technique(spec.technique).__doc__ or "").strip().splitlines()[0]
    layers = manifest.layout.layers
    heads, neurons = _span([one.heads for one in layers]), _span([one.ffn for one in layers])
    limits = describe_weaknesses(measured.metrics) if measured else ""
    notes = manifest.notes or ("No licence is on record for its data.",)
    metrics = _measured(spec, measured, environment or {}) if measured else _built(manifest)
    return "\n".join([
        f"# {study.model_name}: {spec.name}",
        "",
        f"Financial sentiment of one English sentence: {', '.join(LABELS)}. Study `{study.name}`: "
        f"{study.description.strip()}",
        "",
        "## What it is",
        f"* made from {made} by `{spec.technique}`: {method}",
        f"* {len(layers)} layers of width {manifest.layout.width}, {heads} heads and {neurons} FFN "
        f"neurons each; {manifest.parameters:,} parameters",
        f"* format `{manifest.format}` for `{spec.runtime}`; recipe {manifest.fingerprint}",
        "",
        "## Data and licence",
        *(f"* {name}: {fact}" for name, fact in data.items()),
        *(f"* {note}" for note in notes),
        "",
        "## Metrics",
        *metrics,
        "",
        "## Limits",
        *([f"* {limits}"] if limits else []),
        "* single English sentences of news and posts on companies; other text was not measured",
        "* sentiment as annotators of news saw it for an investor: no advice, and no forecast",
        "* how often it is right is not what its scores say: see the calibration error above"
        if measured else "* its scores have not been compared with how often they are right",
        f"* texts are cut off after {manifest.max_length_tokens} tokens",
        "",
        "## Loading it",
        "```python",
        "import mlflow",
        f'model = mlflow.pyfunc.load_model("models:/{study.model_name}@{spec.alias}")',
        'model.predict(["Profit rose 12 % ."])',
        "```",
    ]) + "\n"  # fmt: skip


def _built(manifest: Manifest) -> list[str]:
    return [
        f"* macro-F1 on validation, which chose its epoch: {manifest.metrics[VAL_F1]:.4f}",
        "* on test: `fincompress benchmark` measures it and completes this card",
    ]


def _measured(
    spec: VariantSpec, measured: Measurement, environment: Mapping[str, str]
) -> list[str]:
    found, intervals = measured.metrics, measured.intervals

    def f1(key: str) -> str:
        low, high = intervals[key]
        return f"{found[key]:.4f} [{low:.4f}, {high:.4f}]"

    said = [f"* macro-F1 on test: {f1(TEST_F1)}; on validation, which chose: {f1(VAL_F1)}"]
    for name in ("teacher", "source"):
        difference, p = difference_keys(name, TEST)
        if difference in found and spec.source != BASE:
            gained = format_points(found[difference], intervals[difference])
            said.append(f"* over its {name}, on test: {gained} points, McNemar's p {found[p]:.2g}")
    if EXTRA_F1 in found:
        said.append(f"* macro-F1 on {environment.get(EXTRA_TEST, 'other text')}: {f1(EXTRA_F1)}")
    everything = behaviour_key(ALL_FAMILIES)
    if everything in found:
        low, high = intervals[everything]
        said.append(
            f"* of the behavioural tests' held-out half it passes {found[everything]:.1%} "
            f"[{low:.1%}, {high:.1%}]; {found[confident_errors_key(BEHAVIOUR)]:.0f} sentences of "
            f"it, and {found[confident_errors_key(TEST)]:.0f} of test, get a wrong label with a "
            f"score above {CONFIDENT}"
        )
    machine = ", ".join(environment.get(key, "unknown") for key in ("cpu", "commit"))
    threads = environment.get("threads", "unknown")
    return [
        *said,
        f"* the teacher's label on {found[TEST_AGREEMENT]:.1%} of test",
        f"* expected calibration error on test: {found[ECE]:.3f}; {found[ECE_SCALED]:.3f} if the "
        f"logarithms of its scores are divided by {found[TEMPERATURE]:.2f}, which validation chose",
        f"* {found[SIZE]:.1f} MB; {found[P50]:.2f} ms for a sentence, {found[THROUGHPUT]:.0f} "
        f"sentences/s in calls of many, by {measured.runtime} with {threads} threads ({machine}); "
        "it is served with as many threads as there are cores, unless `threads` says otherwise",
        "* in brackets 95 % bootstrap intervals over sentences",
    ]


def _span(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
