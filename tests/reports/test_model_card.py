"""The model card: what a version is, from its files and, after a benchmark, from its figures."""

from fincompress.artifact import Artifact
from fincompress.evaluation.results import EXTRA_F1, Measurement
from fincompress.reports.model_card import model_card
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants

STUDY = Study.load("quickstart")
DATA = {"data": "phrasebank, 7 / 2 / 2", "seed": "42"}


def test_a_card_before_it_was_measured_says_so(base: Artifact) -> None:
    metrics = {"val/macro_f1": 0.81234}
    manifest = type(base.manifest)(
        **{**vars(base.manifest), "metrics": metrics, "notes": ("a licence",)}
    )
    text = model_card(STUDY, load_variants()["student_ptq"], manifest, DATA)
    assert text.startswith("# fincompress-quickstart: student_ptq\n")
    assert "* made from `student_intermediate_kd` by `quantize_post_training`: Post-train" in text
    assert "3 layers of width 32, 2 heads and 48 FFN neurons each" in text
    assert f"{base.manifest.parameters:,} parameters" in text
    assert "* data: phrasebank, 7 / 2 / 2\n* seed: 42\n* a licence\n" in text
    assert "validation, which chose its epoch: 0.8123\n" in text
    assert "`fincompress benchmark` measures it and completes this card" in text
    assert 'load_model("models:/fincompress-quickstart@student-ptq")' in text


def test_a_card_after_a_benchmark_has_its_figures_with_intervals(base: Artifact) -> None:
    measured = Measurement(
        variant="teacher", version=1, runtime="torch_eager",
        metrics={
            "test/macro_f1": 0.88, "val/macro_f1": 0.9, EXTRA_F1: 0.7, "test/f1_vs_teacher": -0.01,
            "test/mcnemar_vs_teacher": 0.25, "test/agreement": 0.955, "test/ece": 0.08,
            "test/ece_scaled": 0.04, "test/temperature": 1.9, "bench/size_mb": 20.0,
            "bench/latency_p50_ms": 3.21, "bench/throughput_per_s": 484.0,
        },
        intervals={
            "test/macro_f1": (0.85, 0.91), "val/macro_f1": (0.87, 0.93), EXTRA_F1: (0.6, 0.8),
            "test/f1_vs_teacher": (-0.02, 0.003),
        },
    )  # fmt: skip
    facts = {"cpu": "a CPU", "commit": "abc", "threads": "2", "extra_test": "my.csv (9 sentences)"}
    student = load_variants()["student_vanilla_kd"]
    text = model_card(STUDY, student, base.manifest, DATA, measured, facts)
    assert "test: 0.8800 [0.8500, 0.9100]; on validation, which chose: 0.9000 [0.8700" in text
    assert "* over its teacher, on test: -1.0 [-2.0, +0.3] points, McNemar's p 0.25\n" in text
    assert "0.080; 0.040 if the logarithms of its scores are divided by 1.90" in text
    assert "* macro-F1 on my.csv (9 sentences): 0.7000 [0.6000, 0.8000]\n" in text
    assert "484 sentences/s in calls of many, by torch_eager with 2 threads (a CPU, abc)" in text
    assert "completes this card" not in text
    teacher = model_card(STUDY, load_variants()["teacher"], base.manifest, DATA, measured, facts)
    assert "made from the pretrained base by `finetune`" in teacher
    assert "over its teacher" not in teacher
    assert len(text) < 3000, "a description of every database's length has room for notes"
