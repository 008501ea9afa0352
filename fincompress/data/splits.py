"""Splits: reads a study's data, removes duplicates and splits it, stratified by label."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from sklearn.model_selection import train_test_split

from fincompress.config import Positive, UserError, settings
from fincompress.data import corpora
from fincompress.data.files import TableFormat
from fincompress.data.labels import SENTIMENT, check_labels, example_text
from fincompress.data.near_duplicates import NEAR, repeats, resemblance
from fincompress.data.sentences import Row, Sentences, Splits, TrainingOnly, Transfer
from fincompress.data.synthetic import generator

SAMPLE = "sample"
HELD_OUT_SHARE = 0.15  # of all sentences, for validation and for test alike
FEWEST_OF_A_LABEL = 7  # with which stratified splits of that share put one into each part


@settings
class DataConfig:
    """Which sentences a study uses.

    `sources`: the corpora `phrasebank`, `phrasebank_disputed` and `fiqa`, or paths of CSV, JSON or
    Parquet files, whose sentences are put together; or `sample` alone, the synthetic corpus.
    `transfer`: corpora or files whose texts models learn from as well, without labels and by the
    answers of other models; `unlabelled` is a folder of files. `transfer_sentences`: at most so
    many of each of these, without it all. `transfer_held_out`: so many of the transfer set, drawn
    at random and at most half of it, are kept from training, to choose the threshold of a cascade
    on; without it none. `training_only`: corpora, files, or `generated`,
    sentences of the package's own generator, that training reads with their labels as well, while
    validation and test stay those of `sources`. `split_seed`: the seed by which sentences are
    assigned to training, validation and test (of `sample`: by which they are generated).
    `fingerprint`: the sha256 of the split that the study was made for; other data are then an
    error. `labels`: the names of the labels, 2 to 20; a class is an index of them. `text_column`,
    `label_column`: the columns of the study's files that hold the texts and their labels.
    """

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    transfer: tuple[str, ...] = ()
    transfer_sentences: Positive | None = None
    transfer_held_out: Positive | None = None
    training_only: tuple[str, ...] = ()
    split_seed: int = 42
    fingerprint: str | None = None
    labels: Annotated[tuple[str, ...], AfterValidator(check_labels)] = SENTIMENT
    text_column: str = "text"
    label_column: str = "label"

    @property
    def of_corpora(self) -> bool:
        """Whether sentences of financial news and posts are among those of the split."""
        return bool({SAMPLE, *corpora.CORPORA} & set(self.sources))

    @property
    def example(self) -> str:
        """A text to try a model on."""
        return example_text(self.of_corpora)

    @property
    def table(self) -> TableFormat:
        """How the study's files are laid out, and the user's further ones."""
        return TableFormat(self.labels, self.text_column, self.label_column)


def load_splits(config: DataConfig, data_dir: Path | None) -> Splits:
    """Read, clean, deduplicate and split the sources of `config`, and read what training adds.

    `data_dir` is the folder of the corpora's files; without it they come from the Hugging Face Hub.
    Raises `UserError` for missing files, for rows that cannot be used, and for a split other than
    `config.fingerprint`. If the sentences come from the hub, another split is no error: it
    is printed and added to the notes.
    """
    if SAMPLE in config.sources:
        if len(config.sources) > 1:
            raise UserError(
                "data.sources: 'sample' comes with its own split and cannot be mixed "
                f"with {', '.join(s for s in config.sources if s != SAMPLE)}"
            )
        splits = _sample_splits(config)
    else:
        splits = _split(config, data_dir)
    splits = _with_training_only(splits, config, data_dir)
    splits = _with_transfer(splits, config, data_dir)
    if config.fingerprint in (None, splits.fingerprint):
        return splits
    if data_dir is None and set(config.sources) & set(corpora.CORPORA):
        # The hub's copies need not have the rows of the published files, or their order.
        note = (
            f"Another split than the one this study was made for: {splits.fingerprint[:16]}, "
            f"not {str(config.fingerprint)[:16]}; its figures do not compare with published ones."
        )
        print(f"data: {note}", flush=True)
        return replace(splits, notes=(*splits.notes, note))
    raise UserError(
        f"data.fingerprint: this study was made for the split {config.fingerprint}, and these "
        f"files give {splits.fingerprint}: other sentences or another order of the files. "
        "Use the original files, or a study of your own without 'fingerprint'"
    )


def _sample_splits(config: DataConfig) -> Splits:
    parts = {
        part: _sentences([(text, label, SAMPLE) for text, label in rows], config)
        for part, rows in generator.generate(config.split_seed).items()
    }
    note = "Synthetic sentences from the package's own generator; scores say nothing of real text."
    train, val, test = (parts[part] for part in ("train", "val", "test"))
    return Splits("sample", train, val, test, notes=(note,), synthetic=True)


def _split(config: DataConfig, data_dir: Path | None) -> Splits:
    read = [corpora.read_rows(origin, data_dir, table=config.table) for origin in config.sources]
    rows = _deduplicated([row for part, _ in read for row in part])
    check_classes(Counter(row[1] for row in rows), config.labels)
    seed = config.split_seed
    rest, test = train_test_split(
        rows, test_size=HELD_OUT_SHARE, stratify=[row[1] for row in rows], random_state=seed
    )
    train, val = train_test_split(
        rest, test_size=len(test), stratify=[row[1] for row in rest], random_state=seed
    )
    name = "+".join(Path(source).stem for source in config.sources)
    notes = tuple(note for _, note in read if note)
    return Splits(
        name,
        train=_sentences(train, config),
        val=_sentences(val, config),
        test=_sentences(test, config),
        notes=notes,
        synthetic=False,
    )


def _sentences(rows: Sequence[Row], config: DataConfig) -> Sentences:
    """The sentences of `rows`; raises `UserError` for a label that the study does not have."""
    for _, label, origin in rows:
        if label not in config.labels:
            raise UserError(
                f"data.labels: '{origin}' has the label '{label}', which is none of "
                f"{', '.join(config.labels)}"
            )
    return Sentences.of(rows, config.labels)


def _with_training_only(splits: Splits, config: DataConfig, data_dir: Path | None) -> Splits:
    """Return `splits` with what is for training alone, but for what `TrainingOnly` counts."""
    read = [
        corpora.read_rows(origin, data_dir, "data.training_only", config.table)
        for origin in config.training_only
    ]
    rows = {row[0]: row for row in _deduplicated([row for part, _ in read for row in part])}
    kept, known, alike = _unseen(list(rows), splits)
    added = _sentences([rows[text] for text in kept], config)
    return replace(
        splits,
        training_only=TrainingOnly(added, known, alike),
        notes=_joined_notes(splits, [note for _, note in read]),
    )


def _with_transfer(splits: Splits, config: DataConfig, data_dir: Path | None) -> Splits:
    """Return `splits` with the transfer set of `config` but what `Transfer` only counts."""
    read = [corpora.read_texts(origin, data_dir, config.text_column) for origin in config.transfer]
    limit = config.transfer_sentences
    origins = dict[str, str]()  # by text, in order; of a text in several, the first
    for origin, (part, _) in zip(config.transfer, read, strict=True):
        for text in part[:limit]:
            origins.setdefault(text, Path(origin).stem)
    unseen, known, alike = _unseen(list(origins), splits)
    repeated = repeats(unseen)
    kept = tuple(text for text, again in zip(unseen, repeated, strict=True) if not again)
    held_out = _drawn(kept, splits, config)
    learned = tuple(text for text in kept if text not in held_out)
    return replace(
        splits,
        transfer=Transfer(
            learned,
            known,
            alike,
            int(repeated.sum()),
            tuple(held_out),
            tuple(origins[text] for text in learned),
        ),
        notes=_joined_notes(splits, [note for _, note in read]),
    )


def _drawn(kept: Sequence[str], splits: Splits, config: DataConfig) -> dict[str, None]:
    """Those of the transfer set that are held out, in the order drawn: none that has a label."""
    labelled = set(splits.training_only.sentences.texts)
    free = [text for text in kept if text not in labelled]
    count = min(config.transfer_held_out or 0, len(free) // 2)
    return dict.fromkeys(random.Random(config.split_seed).sample(free, count))


def _unseen(texts: Sequence[str], splits: Splits) -> tuple[list[str], int, int]:
    """Those of `texts` that training may add; how many the split has, or are near duplicates."""
    seen = {text for sentences in splits.parts().values() for text in sentences.texts}
    fresh = [text for text in texts if text not in seen]
    alike = resemblance(fresh, splits.val.texts + splits.test.texts) >= NEAR
    kept = [text for text, near in zip(fresh, alike, strict=True) if not near]
    return kept, len(texts) - len(fresh), int(alike.sum())


def _joined_notes(splits: Splits, notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*splits.notes, *(note for note in notes if note))))


def _deduplicated(rows: Sequence[Row]) -> list[Row]:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row[0], row)
    return list(first.values())


def check_classes(counts: Mapping[str, int], labels: Sequence[str]) -> None:
    """Raise `UserError` unless there are enough sentences of each of `labels` to be split.

    `counts` says how many sentences have each label.
    """
    if not all(counts.get(label) for label in labels):
        counted = ", ".join(f"{counts.get(label, 0)} {label}" for label in labels)
        raise UserError(f"data: all of {', '.join(labels)} must occur, found {counted}")
    rarest = min(counts, key=counts.__getitem__)
    if counts[rarest] < FEWEST_OF_A_LABEL:
        raise UserError(
            f"data: a split needs at least {FEWEST_OF_A_LABEL} sentences of each label, "
            f"'{rarest}' has {counts[rarest]}; give it more, or leave it out"
        )
