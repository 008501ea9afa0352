"""Fine-tuning by Hugging Face's `Trainer`: its own defaults, in our contract."""

import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from fincompress.artifact import Artifact
from fincompress.build import Recipe, build, plan
from fincompress.commands.epochs import epoch_seconds
from fincompress.data import Splits
from fincompress.models.bert_names import TOKEN_TYPES
from fincompress.models.encoder import Encoder
from fincompress.models.huggingface import HuggingFace
from fincompress.models.storage import Identity, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import load_technique
from fincompress.techniques.finetune_trainer import Config
from fincompress.training.loop import Budget
from tests.support.projects import Log, refusal
from tests.support.recipes import BUDGET, VARIANTS, files_of, recipe

SPEC = replace(VARIANTS["teacher"], technique="finetune_trainer", config=Config())


@pytest.fixture
def made(splits: Splits, base: Artifact) -> Recipe:
    return recipe(SPEC, splits, base, base)


def differing(one: Encoder, other: Encoder) -> list[str]:
    ours, theirs = one.state_dict(), other.state_dict()
    assert list(ours) == list(theirs)
    return [name for name in ours if not torch.equal(ours[name], theirs[name])]


def numpys_state() -> list[int]:
    state = np.random.get_state(legacy=False)["state"]
    return [*state["key"].tolist(), state["pos"]]


def test_contract(made: Recipe, base: Artifact, tmp_path: Path) -> None:
    before, log = files_of(base.path), Log()
    random.seed(5)
    np.random.seed(5)
    states = torch.get_rng_state(), random.getstate(), numpys_state()

    one = build(made, tmp_path / "one", log)

    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert numpys_state() == states[2]
    assert files_of(base.path) == before, "the source is left as it was"
    assert one.manifest.format in load_technique(SPEC.technique).FORMATS
    assert [step for step, _ in log.steps] == [1, 2], "no more than the study's epochs"
    for _, metrics in log.steps:
        assert metrics["train/loss"] > 0 and metrics["train/epoch_seconds"] > 0
    last = log.steps[-1][1]
    kept = {name: last[name] for name in last if name.startswith("val/")}
    assert one.manifest.metrics == kept, "the last epoch's, and no time"

    torch.rand(1), random.random(), np.random.random()
    again = build(made, tmp_path / "two", Log())
    assert files_of(again.path) == files_of(one.path), "the same seed gives the same bytes"
    other = replace(made, inputs=replace(made.inputs, seed=2))
    different = build(other, tmp_path / "three", Log())
    assert differing(load_encoder(different), load_encoder(one)), "another seed, other weights"


def test_epochs_are_those_asked_for_where_the_study_has_more(made: Recipe) -> None:
    more = replace(made.inputs, budget=replace(BUDGET, epochs=9))
    assert made.technique.resolve(Config(), more) == Config(epochs=3)
    assert made.technique.resolve(Config(), made.inputs) == Config(epochs=BUDGET.epochs)


def test_all_else_is_the_trainers_default(made: Recipe, base: Artifact, tmp_path: Path) -> None:
    """Written as its documentation has it, with its own collator, the recipe gives these bytes."""
    train, _ = made.inputs.encoded_splits()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=load_tokenizer(base), pad_token="[PAD]")
    plain = HuggingFace(base)
    with torch.random.fork_rng():
        Trainer(
            model=plain.bert,
            args=TrainingArguments(
                output_dir=str(tmp_path / "trainer"),
                num_train_epochs=BUDGET.epochs,
                seed=made.inputs.seed,
                use_cpu=not torch.cuda.is_available(),
                dataloader_pin_memory=False,
                save_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=[
                {"input_ids": ids, "label": label}
                for ids, label in zip(train.ids, train.labels, strict=True)
            ],
            data_collator=DataCollatorWithPadding(tokenizer),
        ).train()
    ours = build(made, tmp_path / "ours", Log())
    assert differing(load_encoder(ours), plain.encoder()) == []


def test_going_to_their_names_and_back_changes_nothing(base: Artifact) -> None:
    assert differing(HuggingFace(base).encoder(), load_encoder(base)) == []


def test_what_is_saved_answers_as_the_model_that_was_trained(
    made: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert, trained = HuggingFace.encoder, []

    def spy(theirs: HuggingFace) -> Encoder:
        trained.append(theirs)
        return convert(theirs)

    monkeypatch.setattr(HuggingFace, "encoder", spy)
    artifact = build(made, tmp_path / "out", Log())
    theirs = trained[-1].eval()
    assert theirs.bert.bert.state_dict()[TOKEN_TYPES][0].abs().min() > 0, (
        "there is something to add"
    )
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 10, 3, 0, 0]])
    with torch.inference_mode():
        expected, found = theirs(ids, ids > 0), load_encoder(artifact)(ids, ids > 0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_loss_that_is_not_finite_is_refused(made: Recipe, base: Artifact, tmp_path: Path) -> None:
    model = load_encoder(base)
    torch.nn.init.constant_(model.classifier.bias, float("nan"))
    broken = save_encoder(tmp_path / "a", model, load_tokenizer(base), Identity.of(base), {})
    hopeless = replace(made, inputs=replace(made.inputs, sources=(broken,)))
    assert refusal(lambda: build(hopeless, tmp_path / "out", Log())) == (
        "training: the loss became nan in epoch 1; lower learning_rate, now 5e-05"
    )


def test_an_epoch_is_timed_in_both_loops_and_nothing_is_left(
    made: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    budget = Budget(epochs=1, patience=1, batch_size=8)
    inputs = replace(made.inputs, budget=budget, technique="finetune")
    beside = plan(inputs, load_technique("finetune").Config(), made.data_fingerprint)
    one = replace(made.config, epochs=1, batch_size=8)
    ours, theirs = epoch_seconds([beside, replace(made, config=one)])
    assert ours > 0 and theirs > 0
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_what_nobody_trains_with_is_not_imported() -> None:
    code = (
        "import sys, fincompress.cli, fincompress.techniques.finetune_trainer;"
        "print({'transformers', 'accelerate'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
