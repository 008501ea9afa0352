"""The transfer set: what is taken out of it, and how it is learned from."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from fincompress.artifact import Artifact
from fincompress.build import plan
from fincompress.data import DataConfig, Splits, Transfer, load_splits
from fincompress.data.near_duplicates import repeats, resemblance
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.techniques import Inputs, finetune
from fincompress.training.loop import Budget
from fincompress.training.losses import UNLABELLED
from tests.support.projects import SHARED, refusal, tiny_sentences, write_csv

real_data = pytest.mark.skipif(not SHARED.exists(), reason=f"the corpora are not at {SHARED}")
FRESH = ("sales of the unit stayed flat", "a new plant in Oulu")


def test_what_the_split_holds_or_resembles_is_taken_out(tmp_path: Path) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    plain = load_splits(DataConfig(sources=(corpus,)), None)
    held, known = plain.test.texts[0], plain.train.texts[0]
    texts = [known, f"{held} !", *FRESH, FRESH[0], f"{FRESH[0]} again", f"{held} ?"]
    pd.DataFrame({"text": texts}).to_parquet(tmp_path / "more.parquet")
    splits = load_splits(
        DataConfig(sources=(corpus,), transfer=(str(tmp_path / "more.parquet"),)), None
    )
    assert splits.transfer == Transfer(
        FRESH, known=1, alike=2, repeated=1, origins=("more", "more")
    )
    assert splits.fingerprint == plain.fingerprint, "it is no part of the split"


def test_an_ablation_may_learn_from_some_origins_alone(tmp_path: Path) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    files = []
    for name, texts in (("posts", FRESH), ("news", (FRESH[0], "the court was silent", "up 3 %"))):
        files.append(str(tmp_path / f"{name}.csv"))
        pd.DataFrame({"text": texts}).to_csv(files[-1], index=False)
    config = DataConfig(sources=(corpus,), transfer=tuple(files), transfer_held_out=1)
    splits = load_splits(config, None)
    assert set(splits.transfer.origins) == {"posts", "news"}
    posts = splits.with_transfer(["posts"]).transfer
    assert set(posts.texts) == {*FRESH} - {*splits.transfer.held_out}
    assert posts.held_out == splits.transfer.held_out, "a threshold is certified on the same texts"
    assert splits.with_transfer([]).unlabelled == ()
    assert refusal(lambda: splits.with_transfer(["post"])) == (
        "transfer: unknown origin 'post'; did you mean 'posts'?"
    )


def test_a_transfer_file_needs_texts_and_nothing_else(tmp_path: Path) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    pd.DataFrame({"sentence": ["a"]}).to_csv(tmp_path / "bad.csv", index=False)
    config = DataConfig(sources=(corpus,), transfer=(str(tmp_path / "bad.csv"),))
    assert refusal(lambda: load_splits(config, None)) == (
        f"{tmp_path / 'bad.csv'}: column 'text' is missing; found: sentence"
    )


def test_a_folder_of_files_gives_as_many_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_csv(tmp_path / "my.csv", tiny_sentences())
    config = DataConfig(sources=(corpus,), transfer=("unlabelled",), transfer_sentences=4)
    assert load_splits(config, tmp_path).transfer.texts == ()
    assert capsys.readouterr().out == (
        f"data: without 'unlabelled': no CSV files ({tmp_path / 'unlabelled'})\n"
    )
    (tmp_path / "unlabelled").mkdir()
    for name, count in (("posts", 3), ("headlines", 30)):
        texts = [f"{name} a{number} b{number}" for number in range(count)]
        pd.DataFrame({"text": texts}).to_csv(tmp_path / "unlabelled" / f"{name}.csv", index=False)
    splits = load_splits(config, tmp_path)
    assert sorted(text.split()[0] for text in splits.transfer.texts) == [
        "headlines", "headlines", "posts", "posts",
    ]  # fmt: skip
    assert splits == load_splits(config, tmp_path)
    assert "Trained on unlabelled sentences, too, under their own licences: headlines, posts." in (
        splits.notes
    )


@real_data
def test_the_disputed_sentences_of_phrasebank_are_the_known_ones() -> None:
    splits = load_splits(Study.load("cpu").data, SHARED)
    found = splits.transfer
    assert (len(found.texts), found.known, found.alike, found.repeated) == (2507, 0, 15, 57)
    held = splits.val.texts + splits.test.texts
    assert resemblance(found.texts, held).max() < 0.6
    assert not repeats(found.texts).any()
    assert not set(found.texts) & set(splits.train.texts + held)


@pytest.fixture
def inputs(splits: Splits, base: Artifact, student_base: Artifact) -> Inputs:
    return Inputs.of(
        replace(splits, transfer=Transfer(FRESH)),
        sources=(base,),
        teacher=base,
        pretrained=student_base,
        budget=Budget(epochs=1, patience=1),
        seed=1,
        technique="distill_logits",
        runtime="torch_eager",
    )


def test_transfer_sentences_come_after_training_and_without_labels(inputs: Inputs) -> None:
    train, _ = inputs.encoded_splits(transfer=True)
    own = len(inputs.train)
    assert train.labels == (*inputs.train.labels, UNLABELLED, UNLABELLED)
    taught = inputs.teacher_logits(inputs.source, transfer=True)
    assert taught.shape == (own + 2, 3)
    torch.testing.assert_close(
        taught[:own], inputs.teacher_logits(inputs.source), atol=1e-5, rtol=0
    )
    assert UNLABELLED not in train.sample(own + 2, seed=0).labels, "calibration needs labels"


def test_a_recipe_depends_on_the_transfer_set_where_it_is_used(inputs: Inputs) -> None:
    vanilla, teacher = (load_variants()[name] for name in ("student_vanilla_kd", "teacher"))
    without = replace(inputs, transfer=())
    used = plan(inputs, vanilla.config, "data")
    assert used.config.transfer and not plan(without, vanilla.config, "data").config.transfer
    assert used.fingerprint != plan(without, vanilla.config, "data").fingerprint
    other = replace(inputs, transfer=FRESH[:1])
    assert used.fingerprint != plan(other, vanilla.config, "data").fingerprint
    alone = [replace(i, technique="finetune") for i in (inputs, without)]
    assert len({plan(i, teacher.config, "data").fingerprint for i in alone}) == 1


def test_a_recipe_depends_on_how_many_an_epoch_draws_if_the_budget_says_so(inputs: Inputs) -> None:
    base = replace(inputs.teacher, manifest=replace(inputs.teacher.manifest, fingerprint="made"))
    same = replace(inputs, sources=(base,), teacher=base, pretrained=base, technique="finetune")
    found = [
        plan(replace(same, budget=budget), finetune.Config(), "data").fingerprint
        for budget in (same.budget, replace(same.budget, transfer_per_epoch=5))
    ]
    assert found[0] == "ab959229a46cddd1", "that of versions from before there was this key"
    assert found[0] != found[1]
