"""The gate with real timings of models at full width: nothing in it is stubbed."""

import pytest

from fincompress.artifact import Artifact
from fincompress.benchmark.process import Subject
from fincompress.benchmark.protocol import Timing, measure
from fincompress.build import build, plan
from fincompress.data import Splits
from fincompress.evaluation.quality import add_quality, collect_answers
from fincompress.evaluation.results import PUBLISHED_PEER, SPEEDUP
from fincompress.evaluation.speedups import add_speedups
from fincompress.export import export
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.promotion import CHAMPION, FASTEST, TEACHER, Gate, SameAnswers, decide
from fincompress.techniques import quantize_post_training
from tests.support.projects import Log, write_checkpoint
from tests.support.quantization import inputs

TIMING = Timing(
    threads=1, warmup=10, latency_runs=500, padded_runs=2, throughput_batch=8, batches=(1, 8),
    throughput_sentences=16, throughput_passes=1,
)  # fmt: skip
RUNTIME = "onnx_runtime"


@pytest.mark.slow
@pytest.mark.timed
def test_the_small_student_becomes_champion_by_its_measured_speed(
    splits: Splits, student_base: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("gate")
    # Twice the width and half again the layers: ten times the work of the student.
    write_checkpoint(folder / "bert", width=768, layers=6, heads=12, ffn=3072)
    teacher = import_checkpoint(Base(folder=str(folder / "bert")), 32, 0, folder / "teacher")
    student = export(student_base, RUNTIME, folder / "student")
    loose = quantize_post_training.Config(calibration_sentences=9, max_f1_drop=0.99)
    recipe = plan(inputs(splits, student_base, "quantize_post_training", RUNTIME), loose, "d")
    int8 = build(recipe, folder / "int8", Log())

    subjects = [
        Subject(TEACHER, 1, "torch_eager", teacher),
        Subject("student", 2, RUNTIME, student),
        Subject("student_int8", 3, RUNTIME, int8),
    ]
    parts = {"val": splits.val, "test": splits.test}
    asked = {part: sentences.texts for part, sentences in parts.items()}
    results = measure(subjects, splits, TIMING, parts=asked).results
    answers = collect_answers(parts, {r.measurement.variant: r.logits for r in results})
    sources = {"student_int8": "student"}
    measured = add_quality(
        add_speedups(
            [r.measurement for r in results],
            teacher=TEACHER,
            published=PUBLISHED_PEER,
            sources=sources,
        ),
        answers,
        TEACHER,
        sources,
        {},
    )

    by_name = {m.variant: m for m in measured}
    assert {name: m.unreliable for name, m in by_name.items()} == dict.fromkeys(by_name, "")
    assert by_name["student"].metrics[SPEEDUP] > 3
    assert by_name["student_int8"].metrics[SPEEDUP] > 3
    # What guesses has any F1 and any labels; the speed is what is asked for here.
    gate = Gate(max_f1_drop=0.99, min_agreement=0, min_speedup=2)
    decision = decide(
        measured, gate, same_answers={"student": SameAnswers(1), "student_int8": SameAnswers(1)}
    )
    assert decision.roles[CHAMPION] == decision.roles[FASTEST] != TEACHER
    assert set(decision.passing) == {"student", "student_int8"}, decision.explain()
    stays = decide(measured, gate.__class__(max_f1_drop=0.99, min_agreement=0, min_speedup=1e3))
    assert CHAMPION in stays.kept, "a speed-up that nothing has"
