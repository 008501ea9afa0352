"""Labelled sentences that training alone reads: what is left out, and who learns from them."""

from dataclasses import replace
from pathlib import Path

import pytest

from fincompress.artifact import Artifact
from fincompress.build import plan
from fincompress.data import DataConfig, Splits, load_splits
from fincompress.data.sentences import Sentences, TrainingOnly
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.techniques import Inputs
from fincompress.training.loop import Budget
from tests.support.projects import SHARED, refusal, tiny_sentences, write_csv

real_data = pytest.mark.skipif(not SHARED.exists(), reason=f"the corpora are not at {SHARED}")
FRESH = Sentences(
    ("sales of the unit stayed flat", "a new plant"), (1, 2), ("disputed", "generated")
)


def test_the_split_stays_and_what_it_holds_or_resembles_is_left_out(tmp_path: Path) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    plain = load_splits(DataConfig(sources=(corpus,)), None)
    rows = [
        (plain.train.texts[0], "neutral"),
        (f"{plain.test.texts[0]} !", "neutral"),
        ("a loss of the unit", "negative"),
        ("a loss of the unit", "positive"),
    ]
    more = write_csv(tmp_path / "more.csv", rows)
    splits = load_splits(DataConfig(sources=(corpus,), training_only=(more,)), None)
    added = Sentences(("a loss of the unit",), (0,), ("more",))
    assert splits.training_only == TrainingOnly(added, known=1, alike=1)
    assert splits.parts() == plain.parts()
    assert splits.learned == plain.train + added
    assert splits.fingerprint == plain.fingerprint == plain.training_fingerprint
    assert splits.training_fingerprint != plain.training_fingerprint


def test_a_text_that_has_a_label_is_no_transfer_text(tmp_path: Path) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    more = write_csv(tmp_path / "more.csv", [("a loss of the unit", "negative"), ("gone", 2)])
    config = DataConfig(sources=(corpus,), training_only=(more,), transfer=(more,))
    splits = load_splits(config, None)
    assert splits.unlabelled == ()
    assert splits.with_training_only([]).unlabelled == ("a loss of the unit", "gone")


def test_an_unknown_source_is_named_with_its_key(tmp_path: Path) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    config = DataConfig(sources=(corpus,), training_only=("generatd",))
    assert refusal(lambda: load_splits(config, None)).startswith(
        "data.training_only: unknown source 'generatd'; did you mean 'generated'?"
    )


def test_generated_sentences_are_never_validated_or_tested_on(tmp_path: Path) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    config = DataConfig(sources=(corpus, "generated"))
    assert refusal(lambda: load_splits(config, None)) == (
        "data.sources: 'generated' is for training alone: name it in data.training_only"
    )


@pytest.fixture
def inputs(splits: Splits, base: Artifact, student_base: Artifact) -> Inputs:
    return Inputs.of(
        replace(splits, training_only=TrainingOnly(FRESH)),
        sources=(base,),
        teacher=base,
        pretrained=student_base,
        budget=Budget(epochs=1, patience=1),
        seed=1,
        technique="finetune",
        runtime="torch_eager",
    )


def test_every_technique_learns_from_them(inputs: Inputs, splits: Splits) -> None:
    train, _ = inputs.encoded_splits()
    assert train.labels == (*splits.train.labels, 1, 2)
    assert inputs.corpus[-2:] == FRESH.texts  # a cut vocabulary keeps their words


def test_an_ablation_may_leave_some_out(splits: Splits) -> None:
    more = replace(splits, training_only=TrainingOnly(FRESH))
    assert more.with_training_only(["generated"]).learned.texts[-1] == "a new plant"
    assert len(more.with_training_only(["generated"]).learned) == len(splits.train) + 1
    assert more.with_training_only([]).training_fingerprint == splits.training_fingerprint
    assert refusal(lambda: more.with_training_only(["genrated"])) == (
        "training_only: unknown origin 'genrated'; did you mean 'generated'?"
    )


def test_a_recipe_depends_on_them(inputs: Inputs, splits: Splits) -> None:
    config = load_variants()["teacher"].config
    more = replace(splits, training_only=TrainingOnly(FRESH))
    relabelled = replace(more, training_only=TrainingOnly(replace(FRESH, labels=(0, 2))))
    fingerprints = {
        plan(inputs, config, each.training_fingerprint).fingerprint
        for each in (splits, more, relabelled)
    }
    assert len(fingerprints) == 3


@real_data
def test_the_disputed_sentences_keep_the_labels_of_the_majority() -> None:
    data = Study.load("cpu").data
    assert data.transfer == ("phrasebank_disputed",)
    config = replace(data, training_only=("phrasebank_disputed", "generated"))
    splits = load_splits(config, SHARED)  # the split is still that of `cpu`: its hash is checked
    added = splits.training_only
    disputed = added.sentences.of_origins(["phrasebank_disputed"])
    assert (len(disputed), added.known) == (2564, 0)
    assert [disputed.labels.count(label) for label in range(3)] == [298, 1476, 790]
    assert splits.unlabelled == ()  # all of the transfer set have labels now
    assert len(splits.with_training_only(["generated"]).unlabelled) == 2507  # less what repeats
