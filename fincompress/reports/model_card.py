"""Model cards: what a registered version is, its data, licences, metrics and limits, as Markdown.

Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from collections.abc import Mapping, Sequence

from fincompress.artifact import Layout, Manifest
from fincompress.evaluation.quality import CONFIDENT
from fincompress.evaluation.results import (
    ALL_FAMILIES,
    BEHAVIOUR,
    ECE,
    ECE_SCALED,
    EXTRA,
    EXTRA_F1,
    EXTRA_TEST,
    HELD_OUT_TRANSFER,
    P50,
    SIZE,
    TEMPERATURE,
    TEST,
    TEST_AGREEMENT,
    TEST_F1,
    THROUGHPUT,
    VAL,
    VAL_F1,
    Measurement,
    behaviour_key,
    confident_errors_key,
    difference_keys,
    format_points,
    handed_over_key,
)
from fincompress.reports.behaviour_tables import describe_weaknesses
from fincompress.studies.study import Study
from fincompress.studies.variants import BASE, VariantSpec
from fincompress.techniques import load_technique

MODEL_CARD = "model_card.md"
LOADING = "## Loading it"  # the last section, which is another where the model has left its store
FINANCIAL_LIMITS = (
    "* single English sentences of news and posts on companies; other text was not measured",
    "* sentiment as annotators of news saw it for an investor: no advice, and no forecast",
)
OWN_LIMITS = ("* texts such as those of its data; other text was not measured",)


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
    made = " and ".join(f"`{source}`" for source in spec.sources)
    made = "the pretrained base" if spec.source == BASE else made
    method = (load_technique(spec.technique).__doc__ or "").strip().splitlines()[0]
    its = "" if len(spec.sources) == 1 else f"its last model, of `{spec.source}`: "
    limits = describe_weaknesses(measured.metrics) if measured else ""
    notes = manifest.notes or ("No licence is on record for its data.",)
    if measured:
        metrics = _measured(spec, manifest, measured, environment or {})
    else:
        metrics = _built(manifest)
    return "\n".join([
        f"# {study.model_name}: {spec.name}",
        "",
        f"Says which of {len(manifest.labels)} labels a text has: {', '.join(manifest.labels)}. "
        f"Study `{study.name}`: {study.description.strip()}",
        "",
        "## What it is",
        f"* made from {made} by `{spec.technique}`: {method}",
        f"* {its}{_describe_layout(manifest.layout)}; {manifest.parameters:,} parameters in all",
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
        *(FINANCIAL_LIMITS if study.data.of_corpora else OWN_LIMITS),
        "* how often it is right is not what its scores say: see the calibration error above"
        if measured else "* its scores have not been compared with how often they are right",
        f"* texts are cut off after {manifest.max_length_tokens} tokens",
        "",
        LOADING,
        "```python",
        "import mlflow",
        f'model = mlflow.pyfunc.load_model("models:/{study.model_name}@{spec.alias}")',
        f'model.predict(["{study.data.example}"])',
        "```",
    ]) + "\n"  # fmt: skip


def _describe_layout(layout: Layout) -> str:
    if layout.convolutions:
        tokens = ", ".join(str(each.tokens) for each in layout.convolutions)
        filters = _span([each.filters for each in layout.convolutions])
        residual = layout.residual_convolutions
        before = f" after {residual} with residual connections," if residual else ""
        return (
            f"no attention: convolutions over {tokens} tokens, with {filters} filters each,{before}"
            f" on embeddings of width {layout.width}"
        )
    heads = _span([layer.heads for layer in layout.layers])
    neurons = _span([layer.ffn for layer in layout.layers])
    return (
        f"{len(layout.layers)} layers of width {layout.width}, {heads} heads and {neurons} FFN "
        "neurons each"
    )


def _built(manifest: Manifest) -> list[str]:
    return [
        f"* macro-F1 on validation, which chose its epoch: {manifest.metrics[VAL_F1]:.4f}",
        *_handed_over(manifest.metrics),
        "* on test: `fincompress benchmark` measures it and completes this card",
    ]


def _handed_over(found: Mapping[str, float]) -> list[str]:
    """What a cascade hands over of each part that has been measured, and of each origin in it."""
    shares = [
        f"{part} {found[handed_over_key(part)]:.1%}{_of_origins(found, part)}"
        for part in (HELD_OUT_TRANSFER, VAL, TEST, EXTRA)
        if handed_over_key(part) in found
    ]
    if not shares:
        return []
    return [
        f"* hands over to its second model, of the texts of each part: {', '.join(shares)}; the "
        "share of the first, which chose the threshold, is the normal one, and other text takes "
        "longer if it is handed over more often"
    ]


def _of_origins(found: Mapping[str, float], part: str) -> str:
    start = handed_over_key(part) + "/"
    shares = [
        f"{key.removeprefix(start)} {value:.1%}"
        for key, value in found.items()
        if key.startswith(start)
    ]
    return f" ({', '.join(shares)})" if len(shares) > 1 else ""


def _measured(
    spec: VariantSpec, manifest: Manifest, measured: Measurement, environment: Mapping[str, str]
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
        *_handed_over(manifest.metrics | found),
        "* in brackets 95 % bootstrap intervals over sentences",
    ]


def _span(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
