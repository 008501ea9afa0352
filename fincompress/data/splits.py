"""Rows of (text, label, source) become train, validation and test sentences with a fingerprint."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field
from sklearn.model_selection import train_test_split

from fincompress.config import UserError, settings
from fincompress.data import corpora
from fincompress.data.near_duplicates import NEAR, resemblance
from fincompress.data.sentences import LABELS, Row, Sentences, Splits, Transfer
from fincompress.data.synthetic import generator

SAMPLE = "sample"
HELD_OUT_SHARE = 0.15  # of all sentences, for validation and for test alike


@settings
class DataConfig:
    """Which sentences a study uses.

    `sources` are `phrasebank`, `fiqa`, `sample` or paths of CSV, JSON or Parquet files.
    `transfer` are sources whose texts, without their labels, students learn from too.
    `fingerprint`, where it is given, is the split the study was made for.
    """

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    transfer: tuple[str, ...] = ()
    split_seed: int = 42
    fingerprint: str | None = None


def load_splits(config: DataConfig, data_dir: Path | None) -> Splits:
    """Read, clean and split the sources of `config`, and read its transfer set.

    Raises `UserError` for missing files, rows that cannot be used, and, from files, a split
    other than the one that `config.fingerprint` names. Such a split from the hub carries a note.
    """
    if SAMPLE in config.sources:
        if len(config.sources) > 1:
            raise UserError(
                "data.sources: 'sample' comes with its own split and cannot be mixed "
                f"with {', '.join(s for s in config.sources if s != SAMPLE)}"
            )
        splits = _sample_splits(config.split_seed)
    else:
        splits = _split(config, data_dir)
    splits = _with_transfer(splits, config.transfer, data_dir)
    if config.fingerprint in (None, splits.fingerprint):
        return splits
    if data_dir is None and set(config.sources) & set(corpora.CORPORA):
        # Read from the hub, whose copies need not have the files' rows or order.
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


def _sample_splits(seed: int) -> Splits:
    parts = {
        part: Sentences.of([(text, label, SAMPLE) for text, label in rows])
        for part, rows in generator.generate(seed).items()
    }
    note = "Synthetic sentences from the package's own generator; scores say nothing of real text."
    train, val, test = (parts[part] for part in ("train", "val", "test"))
    return Splits("sample", train, val, test, notes=(note,), synthetic=True)


def _split(config: DataConfig, data_dir: Path | None) -> Splits:
    read = [corpora.read_rows(source, data_dir) for source in config.sources]
    rows = _deduplicated([row for part, _ in read for row in part])
    _check_classes(rows)
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
        train=Sentences.of(train),
        val=Sentences.of(val),
        test=Sentences.of(test),
        notes=notes,
        synthetic=False,
    )


def _with_transfer(splits: Splits, wanted: Sequence[str], data_dir: Path | None) -> Splits:
    read = [corpora.read_texts(source, data_dir) for source in wanted]
    texts = list(dict.fromkeys(text for part, _ in read for text in part))
    split = {text for sentences in splits.parts().values() for text in sentences.texts}
    fresh = [text for text in texts if text not in split]
    alike = resemblance(fresh, splits.val.texts + splits.test.texts) >= NEAR
    kept = tuple(text for text, near in zip(fresh, alike, strict=True) if not near)
    notes = tuple(dict.fromkeys((*splits.notes, *(note for _, note in read if note))))
    transfer = Transfer(kept, known=len(texts) - len(fresh), alike=int(alike.sum()))
    return replace(splits, transfer=transfer, notes=notes)


def _deduplicated(rows: Sequence[Row]) -> list[Row]:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row[0], row)
    return list(first.values())


def _check_classes(rows: Sequence[Row]) -> None:
    counts = Counter(row[1] for row in rows)
    if len(counts) < len(LABELS):
        found = ", ".join(f"{counts[label]} {label}" for label in LABELS)
        raise UserError(f"data: all of {', '.join(LABELS)} must occur, found {found}")
    rarest = min(counts, key=counts.__getitem__)
    # Two stratified cuts of 15 % leave each part at least one of a class from 7 on.
    if counts[rarest] < 7:
        raise UserError(f"data: a split needs at least 7 sentences of each label, '{rarest}' has "
                        f"{counts[rarest]}")  # fmt: skip
