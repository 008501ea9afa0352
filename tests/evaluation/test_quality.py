"""Answers become scores, differences and calibration, over one seed and over several."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fincompress.data import SENTIMENT, Sentences
from fincompress.evaluation.error_analysis import (
    confusion_by_variant,
    disagreements_with_teacher,
    reliability_by_variant,
)
from fincompress.evaluation.metrics import classification_scores
from fincompress.evaluation.quality import (
    add_quality,
    collect_answers,
    compare_variants,
    quality_metrics,
    shares_handed_over,
)
from fincompress.evaluation.results import (
    Answers,
    Measurement,
    PairComparison,
    difference_keys,
    origin_key,
)
from fincompress.evaluation.seed_results import SeedTable, SeedTableRow
from fincompress.reports.seed_tables import seed_markdown, table_files

COUNT = 120
CLASSES = np.arange(COUNT) % 3
PART = Sentences(
    tuple(f"text {n}" for n in range(COUNT)),
    tuple(CLASSES.tolist()),
    tuple("news" if n < 90 else "posts" for n in range(COUNT)),
)


def rows(wrong: int, sure: float = 4.0, start: int = 0) -> NDArray[np.float32]:
    """Logits of a model that takes `wrong` sentences, from `start` on, for the next class."""
    classes = CLASSES.copy()
    classes[start : start + wrong] = (classes[start : start + wrong] + 1) % 3
    return (sure * np.eye(3)[classes]).astype(np.float32)


def answered(**variants: NDArray[np.float32]) -> Answers:
    logits = {name: {"val": found, "test": found} for name, found in variants.items()}
    return collect_answers({"val": PART, "test": PART}, logits)


ONE = answered(teacher=rows(6), student=rows(12), other=rows(12, start=60))


def test_what_is_handed_over_is_shared_out_by_part_and_origin() -> None:
    unsure = np.arange(COUNT) >= 80  # ten of the news, and all posts
    handed_over = {"test": unsure, "other": unsure[:90]}
    assert shares_handed_over(handed_over, {"val": PART, "test": PART}) == {
        "test/handed_over": 40 / 120,
        "test/handed_over/news": 10 / 90,
        "test/handed_over/posts": 1.0,
        "other/handed_over": 10 / 90,
    }
    row = SeedTableRow(variant="a", beside="", macro_f1=(0.8, 0.9), metrics={"b": 1}, intervals={})
    key = "test/handed_over"
    assert row.with_means([{key: 0.2}, {key: 0.4}]).metrics == {"b": 1, key: pytest.approx(0.3)}


def test_differences_come_with_interval_p_and_agreement() -> None:
    metrics, intervals = quality_metrics([ONE], "student", "teacher", "other")
    theirs = classification_scores(PART.labels, rows(6).argmax(1), SENTIMENT)["macro_f1"]
    ours = classification_scores(PART.labels, rows(12).argmax(1), SENTIMENT)["macro_f1"]
    assert metrics["test/macro_f1"] == ours
    assert metrics["test/f1_vs_teacher"] == pytest.approx(ours - theirs)
    low, high = intervals["test/f1_vs_teacher"]
    assert low < ours - theirs < high < 0, "six more are wrong, and none less"
    assert metrics["test/mcnemar_vs_teacher"] == pytest.approx(2 * 0.5**6)
    assert metrics["test/agreement"] == pytest.approx(114 / 120)
    assert metrics["test/f1_vs_source"] == 0 and metrics["test/mcnemar_vs_source"] == 1
    assert metrics["val/f1_drop"] == pytest.approx(theirs - ours)
    assert intervals["val/f1_drop"] == pytest.approx((-high, -low))


def test_a_teacher_differs_from_itself_by_nothing() -> None:
    metrics, intervals = quality_metrics([ONE], "teacher", "teacher")
    assert (metrics["val/f1_drop"], metrics["test/mcnemar_vs_teacher"]) == (0, 1)
    assert intervals["val/f1_drop"] == (0, 0)
    assert "test/f1_vs_source" not in metrics


def test_slices_are_those_of_the_sources() -> None:
    metrics, _ = quality_metrics([ONE], "student", "teacher")
    assert metrics[origin_key("posts")] == 1.0
    assert (
        metrics[origin_key("news")]
        == classification_scores(PART.labels[:90], rows(12).argmax(1)[:90], SENTIMENT)["macro_f1"]
    )
    assert origin_key("my file-1") == "test/macro_f1/my_file_1", "MLflow takes no others"


def test_a_temperature_mends_a_model_that_is_too_sure() -> None:
    answers = answered(teacher=rows(30, sure=9.0))
    metrics, _ = quality_metrics([answers], "teacher", "teacher")
    assert metrics["test/ece"] == pytest.approx(0.25, abs=0.01)
    assert metrics["test/ece_scaled"] < 0.01 and metrics["test/temperature"] > 2


def test_of_several_seeds_it_is_the_mean_and_p_is_corrected() -> None:
    two = answered(teacher=rows(6), student=rows(6), other=rows(12))
    metrics, intervals = quality_metrics([ONE, two], "student", "teacher")
    first, second = (quality_metrics([one], "student", "teacher")[0] for one in (ONE, two))
    key, p = difference_keys("teacher", "test")
    assert metrics[key] == pytest.approx((first[key] + second[key]) / 2)
    assert (first[p], second[p], metrics[p]) == (2 * 0.5**6, 1.0, 4 * 0.5**6)
    low, high = intervals[key]
    assert low < metrics[key] < high
    low, high = intervals["test/f1_neutral"]
    assert low < metrics["test/f1_neutral"] < high


def test_what_answered_nothing_is_not_judged() -> None:
    silent = Measurement(variant="peer", version=None, runtime="r", metrics={"a": 1}, intervals={})
    student = Measurement(variant="student", version=1, runtime="r", metrics={}, intervals={})
    found = add_quality([silent, student], ONE, "teacher", {"student": "other"}, {"student": 0.7})
    assert found[0] is silent
    assert found[1].metrics["published/macro_f1"] == 0.7 and "test/f1_vs_source" in found[1].metrics


def test_single_sentences() -> None:
    assert confusion_by_variant(ONE, ["teacher"])["teacher"] == [[38, 2, 0], [0, 38, 2], [2, 0, 38]]
    before, after = reliability_by_variant(ONE, ["student"])["student"]
    assert sum(b.count for b in before) == sum(b.count for b in after) == COUNT
    found = disagreements_with_teacher(ONE, "teacher", ["teacher", "student"])
    assert len(found) == 6 and set(found["variant"]) == {"student"}
    first = found.iloc[0]
    assert first["text"] == "text 6" and first["label"] == first["teacher_answer"] == SENTIMENT[0]
    assert first["answer"] == SENTIMENT[1] and 0.9 < first["strength"] < first["score"]


def test_the_strongest_disagreements_come_first_and_are_few() -> None:
    ours = rows(60)
    ours[40] *= 2
    found = disagreements_with_teacher(
        answered(teacher=rows(0), student=ours), "teacher", ["student"]
    )
    assert len(found) == 20 and found.iloc[0]["text"] == "text 40"


def test_two_ways_from_one_source_are_set_side_by_side() -> None:
    answers = answered(teacher=rows(0), one=rows(12), two=rows(0))
    better = compare_variants([answers], "two", "one", (130.4, 0.0))
    assert better.differences["val"] == pytest.approx(
        1 - classification_scores(PART.labels, rows(12).argmax(1), SENTIMENT)["macro_f1"]
    )
    assert str(better).startswith("two over one, points of macro-F1: +10.0 [")
    assert str(better).endswith("; better on validation, for 130 s of training against 0 s")
    assert "; worse on validation" in str(compare_variants([answers], "one", "two", (0, 0)))
    assert "; not shown to be better on validation" in str(
        compare_variants([ONE], "other", "student", (1, 2))
    )


def test_a_table_over_seeds() -> None:
    table = SeedTable(
        study="tiny", synthetic=True, notes=("a licence",), environment={"cpu": "a CPU"},
        seeds=(42, 43),
        rows=(
            SeedTableRow(variant="teacher", beside="", macro_f1=(0.8, 0.9),
                metrics={"test/macro_f1": 0.85, "test/f1_vs_teacher": 0.0,
                         "test/mcnemar_vs_teacher": 1.0},
                intervals={"test/macro_f1": (0.82, 0.88), "test/f1_vs_teacher": (0.0, 0.0)}),
            SeedTableRow(variant="student", beside="teacher", macro_f1=(0.8, 0.9),
                metrics={"test/macro_f1": 0.85, "test/f1_vs_teacher": -0.01,
                         "test/mcnemar_vs_teacher": 0.5, "test/macro_f1/posts": 0.7,
                         "extra/macro_f1": 0.6},
                intervals={"test/macro_f1": (0.82, 0.88), "test/f1_vs_teacher": (-0.02, 0.001)}),
        ),
        pairs=(PairComparison(first="qat", second="ptq", differences={"val": 0.004},
                    seconds=(9.0, 1.0), intervals={"val": (-0.01, 0.02)}),),
    )  # fmt: skip
    text = seed_markdown(table, "seeds")
    assert text.startswith(
        "Study `tiny` (synthetic): seeds, over 42, 43. a licence All figures are means"
    )
    names, _, teacher, student = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines() if line.startswith("|")
    )  # fmt: skip
    assert dict(zip(names, student, strict=True)) == {
        "variant": "student", "test macro-F1": "0.850 [0.820, 0.880]", "sd": "7.1",
        "over teacher": "-1.0 [-2.0, +0.1]", "p": "0.5",
        "beside": "teacher", "posts": "0.700", "extra macro-F1": "0.600",
    }  # fmt: skip
    assert dict(zip(names, teacher, strict=True))["over teacher"] == "", "nothing to compare with"
    assert "qat over ptq, points of macro-F1: +0.4 [-1.0, +2.0] on val; not shown" in text
    files = table_files(table, "seeds")
    assert set(files) == {"seeds.json", "seeds.md", "seeds.csv"}
    assert "test/macro_f1_seed_43" in files["seeds.csv"].splitlines()[0]
