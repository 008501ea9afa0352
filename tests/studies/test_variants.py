"""Studies and variants: the committed files are right, and a wrong one says where and why."""

from dataclasses import replace
from pathlib import Path

import pytest

from fincompress import studies
from fincompress.config import UserError
from fincompress.studies.study import Study
from fincompress.studies.variants import (
    load_ablations,
    load_variants,
    root_of,
    select,
    select_ablations,
)

SOURCES = {
    "teacher": "base",
    "student_vanilla_kd": "teacher",
    "student_intermediate_kd": "teacher",
    "student_ptq": "student_intermediate_kd",
    "student_qat": "student_intermediate_kd",
    "student_tiny": "student_vanilla_kd",
    "pruned_teacher_30pct": "teacher",
    "pruned_teacher_50pct": "pruned_teacher_30pct",
}


def test_the_variants_form_the_documented_tree() -> None:
    variants = load_variants()
    assert SOURCES.items() <= {n: spec.source for n, spec in variants.items()}.items()
    assert next(iter(variants)) == "teacher"
    assert root_of(variants, "pruned_teacher_50pct") == "teacher"
    for name, share in {"pruned_teacher_30pct": 0.3, "pruned_teacher_50pct": 0.5}.items():
        config = variants[name].config
        assert (config.heads_ratio, config.ffn_ratio) == (share, share)


@pytest.mark.parametrize("name", ["quickstart", "cpu", "practical", "finbert"])
def test_every_study_reads(name: str) -> None:
    assert Study.load(name).model_name == f"fincompress-{name}"


def test_a_study_may_have_variants_and_ablations_of_its_own() -> None:
    shared, own = load_variants("cpu"), load_variants("practical")
    assert shared == load_variants()
    assert own["teacher"].technique == "self_train"
    assert {n: own[n] for n in shared if n != "teacher"} == {
        n: spec for n, spec in shared.items() if n != "teacher"
    }
    assert own.keys() - shared.keys() == {"student_conv", "cascade"}
    extra = load_ablations(own, "practical").keys() - load_ablations(shared, "cpu").keys()
    assert "teacher_of_the_split" in extra


def test_a_variant_of_several_sources_follows_them_all_and_stands_for_the_last() -> None:
    variants = load_variants("practical")
    cascade, order = variants["cascade"], [*variants]
    assert cascade.sources == ("student_conv", "student_ptq")
    assert cascade.source == "student_ptq"
    assert all(order.index(source) < order.index("cascade") for source in cascade.sources)
    assert root_of(variants, "cascade") == "teacher"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (" student_random , teacher_unaveraged ", {"student_random", "teacher_unaveraged"}),
        ("student_no_kd", {"student_no_kd", "student_no_transfer"}),  # which it stands beside
        ("all", set(load_ablations(load_variants()))),
        ("student_random,all", set(load_ablations(load_variants()))),
    ],
)
def test_ablations_are_asked_for_by_name(wanted: str, found: set[str]) -> None:
    assert set(select_ablations(load_ablations(load_variants()), wanted)) == found


def test_an_ablation_may_be_made_from_another() -> None:
    known = load_ablations(load_variants())
    known["student_random"] = replace(known["student_random"], sources=("teacher_unaveraged",))
    found = select_ablations(known, "student_random")
    assert set(found) == {"student_random", "teacher_unaveraged"}


@pytest.mark.parametrize("wanted", ["student_random,", "every"])
def test_an_ablation_that_there_is_not_is_refused(wanted: str) -> None:
    message = f"ablations: unknown ablation '{wanted.split(',')[-1]}'; "
    with pytest.raises(UserError, match=message):
        select_ablations(load_ablations(load_variants()), wanted)
    with pytest.raises(UserError, match="ablations: unknown ablation"):
        select_ablations({}, "all")


def test_select_names_the_verb_that_builds_a_foreign_variant() -> None:
    variants = load_variants()
    assert select(variants, "all", "distill") == ["student_intermediate_kd", "student_vanilla_kd"]
    with pytest.raises(UserError, match="no variant of 'distill'; it is built by 'teacher'"):
        select(variants, "teacher", "distill")
    with pytest.raises(UserError, match="did you mean 'student_vanilla_kd'"):
        select(variants, "student_vanila_kd", "distill")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "variants").mkdir()
    monkeypatch.setattr(studies, "EXPERIMENTS", tmp_path)
    return tmp_path


BAD_VARIANTS = [
    ("champion", "technique: finetune\nsource: base", "'champion' is reserved"),
    ("most_accurate", "technique: finetune\nsource: base", "'most_accurate' is reserved"),
    ("v2", "technique: finetune\nsource: base", "'v2' is reserved"),
    ("tfidf_floor", "technique: finetune\nsource: base", "'tfidf_floor' is reserved"),
    ("model2vec", "technique: finetune\nsource: base", "'model2vec' is reserved"),
    ("Big-One", "technique: finetune\nsource: base", "must be lower case"),
    ("a", "technique: fintune\nsource: base", "unknown technique 'fintune'; did you mean"),
    ("a", "technique: finetune\nsource: bse", "source: unknown variant 'bse'; did you mean 'base'"),
    (
        "a",
        "technique: finetune\nsource: a",
        "are made from each other, which leaves no first one: a",
    ),
    ("a", "technique: finetune", "missing key 'source'"),
    (
        "a",
        "technique: finetune\nsource: [base]",
        "source: a list is for several sources, not for 1",
    ),
    ("a", "technique: finetune\nsource: [b, b]", "source: names a variant twice: b, b"),
    (
        "a",
        "technique: join_cascade\nsource: [base, base2]\nruntime: cascade",
        "source: must have the format 'onnx', but 'base' has 'torch'",
    ),
    (
        "a",
        "technique: finetune\nsource: [base, teacher]",
        "source: 'base' must be the only source, not one of several",
    ),
    ("a", "technique: finetune\nsource: base\nruntime: torch", "did you mean 'torch_eager'"),
    (
        "a",
        "technique: distill_logits\nsource: base\nconfig: {temprature: 2}",
        "variants/a.yaml: config: unknown key 'temprature'; did you mean 'temperature'?",
    ),
    (
        "a",
        "technique: distill_logits\nsource: base\nconfig: {alpha: 1.5}",
        "config: alpha: input should be less than or equal to 1, not 1.5",
    ),
    (
        "a",
        "technique: distill_logits\nsource: base\nconfig: {student: {width: 100, heads: 12}}",
        "config: student: width must be a multiple of heads (12)",
    ),
    (
        "a",
        "technique: prune_structured\nsource: base\nconfig: {heads_ratio: 1, ffn_ratio: 0}",
        "config: heads_ratio: input should be less than 1, not 1",
    ),
    (
        "a",
        "technique: prune_structured\nsource: base\nconfig: {heads_ratio: 0, ffn_ratio: -0.1}",
        "config: ffn_ratio: input should be greater than or equal to 0, not -0.1",
    ),
    (
        "a",
        "technique: quantize_aware\nsource: base\nruntime: auto\n"
        "config: {calibration_sentences: 0}",
        "config: calibration_sentences: input should be greater than or equal to 1, not 0",
    ),
    (
        "a",
        "technique: finetune\nsource: base\nruntime: onnx_runtime",
        "a.yaml: runtime: 'onnx_runtime' runs the format 'onnx', but 'finetune' writes torch",
    ),
    (
        "a",
        "technique: quantize_aware\nsource: base",
        "runtime: 'torch_eager' runs the format 'torch', but 'quantize_aware' writes onnx or "
        "openvino",
    ),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_VARIANTS)
def test_a_wrong_variant_is_refused(folder: Path, name: str, text: str, message: str) -> None:
    (folder / "variants" / f"{name}.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        load_variants()
    assert message in str(error.value)


def test_nothing_is_made_from_what_is_no_torch_artifact(folder: Path) -> None:
    quantized = "technique: quantize_post_training\nsource: {}\nruntime: openvino_runtime"
    (folder / "variants" / "a.yaml").write_text(quantized.format("base"))
    (folder / "variants" / "b.yaml").write_text(quantized.format("a"))
    with pytest.raises(UserError) as error:
        load_variants()
    assert str(error.value).endswith(
        "b.yaml: source: must have the format 'torch', but 'a' has 'openvino'"
    )


def test_auto_stays_auto_so_that_every_cpu_has_the_same_recipe(folder: Path) -> None:
    text = "technique: quantize_aware\nsource: base\nruntime: auto"
    (folder / "variants" / "a.yaml").write_text(text)
    variant = load_variants()["a"]
    assert (variant.runtime, variant.format) == ("auto", "onnx")


def test_a_wrong_study_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="study: unknown study 'cpuu'; known: none"):
        Study.load("cpuu")
    (folder / "cpu.yaml").write_text("name: x")
    with pytest.raises(UserError, match="did you mean 'cpu'"):
        Study.load("cpuu")
    with pytest.raises(
        UserError, match="unknown key 'name'; the study takes its name from the file"
    ):
        Study.load("cpu")
    (folder / "cpu.yaml").write_text("budget: {epoch: 3, patience: 1}")
    with pytest.raises(UserError, match=r"cpu.yaml: "):
        Study.load("cpu")
