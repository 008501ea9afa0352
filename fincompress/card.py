"""What a registered version is, holds and was measured at becomes its model card.

Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from collections.abc import Sequence

from fincompress.artifact import Manifest
from fincompress.data import LABELS
from fincompress.evaluation.measurement import (
    ECE,
    ECE_SCALED,
    EXTRA_F1,
    P50,
    SIZE,
    TEMPERATURE,
    TEST,
    TEST_AGREEMENT,
    TEST_F1,
    THROUGHPUT,
    VAL_F1,
    Measurement,
    over,
)
from fincompress.evaluation.repeated import points
from fincompress.experiments import BASE, Study, VariantSpec
from fincompress.techniques import load_technique

MODEL_CARD = "model_card.md"


def model_card(
    study: Study, spec: VariantSpec, manifest: Manifest, measured: Measurement | None = None
) -> str:
    """Return the card as Markdown; `measured` is what a benchmark found, if there was one."""
    made = "the pretrained base" if spec.source == BASE else f"`{spec.source}`"
    method = (load_technique(spec.technique).__doc__ or "").strip().splitlines()[0]
    layers = manifest.layout.layers
    heads, neurons = _span([one.heads for one in layers]), _span([one.ffn for one in layers])
    notes = manifest.notes or ("No licence is on record for its data.",)
    metrics = _measured(measured) if measured else _built(manifest)
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
        *(f"* {note}" for note in notes),
        "",
        "## Metrics",
        *metrics,
        "",
        "## Limits",
        "* single English sentences of news and posts on companies; other text was not measured",
        "* sentiment as annotators of news saw it for an investor: no advice, and no forecast",
        "* its scores are too sure of themselves unless they are divided by the temperature above"
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


def _measured(measured: Measurement) -> list[str]:
    found, intervals = measured.metrics, measured.intervals
    difference, p = over("teacher", TEST)

    def f1(key: str) -> str:
        low, high = intervals[key]
        return f"{found[key]:.4f} [{low:.4f}, {high:.4f}]"

    said = [
        f"* macro-F1 on test: {f1(TEST_F1)}; on validation, which chose its epoch: {f1(VAL_F1)}",
        f"* over the teacher, on test: {points(found[difference], intervals[difference])} points, "
        f"McNemar's p {found[p]:.2g}, the same label on {found[TEST_AGREEMENT]:.1%}",
        f"* expected calibration error on test: {found[ECE]:.3f}, and {found[ECE_SCALED]:.3f} with "
        f"its logits divided by {found[TEMPERATURE]:.2f} (chosen on validation)",
        f"* {found[SIZE]:.1f} MB; {found[P50]:.2f} ms for a sentence and {found[THROUGHPUT]:.0f} "
        "sentences/s in calls of many, on the machine of the benchmark's run",
        "* in brackets 95 % bootstrap intervals over sentences",
    ]
    if EXTRA_F1 in found:
        said.insert(1, f"* macro-F1 on a file of its user: {f1(EXTRA_F1)}")
    return said


def _span(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
