"""Parts: an output that grows file by file in a folder beside it, and is there when it is whole.

A process that is killed leaves the folder, and another goes on after its last whole part.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fincompress.config import UserError
from fincompress.prediction.annotation import Counts

JOURNAL = "parts.json"


@dataclass
class Parts:
    """The unfinished output of a prediction.

    `out`: the output. `job`: all that must be the same to go on with it. `counts`: of all parts
    that are whole. `files`: these, in order.
    """

    out: Path
    job: Mapping[str, str]
    counts: Counts = field(default_factory=Counts)
    files: list[Path] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the parts are, beside the output."""
        return self.out.with_name(f"{self.out.name}.parts")

    def path(self, number: int) -> Path:
        """Return the path of a part, which are numbered from 0."""
        return self.folder / f"{number:06}"

    @contextmanager
    def next_part(self) -> Iterator[tuple[Path, Counts]]:
        """Yield a path to write the next part to, and the counts so far, to add to.

        At the end of the block the part is whole, and the counts are kept; it is dropped if the
        block raises.
        """
        path, counts = self.path(len(self.files)), replace(self.counts)
        try:
            yield path, counts
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self.files.append(path)
        self.counts = counts
        self.write_journal()

    @contextmanager
    def whole_output(self) -> Iterator[Path]:
        """Yield a path to write the whole output to, which takes its place at the end of the block.

        The parts are gone then.
        """
        draft = self.folder / "whole"
        yield draft
        draft.replace(self.out)
        shutil.rmtree(self.folder)

    def write_journal(self) -> None:
        """Write down what the parts are of, and how many are whole."""
        facts = {"job": dict(self.job), "parts": len(self.files), "counts": asdict(self.counts)}
        draft = self.folder / f"{JOURNAL}.draft"
        draft.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        draft.replace(self.folder / JOURNAL)


@contextmanager
def open_parts(out: Path, job: Mapping[str, str], resume: bool) -> Iterator[Parts]:
    """Begin the parts of the output `out`, or with `resume` go on with those of an earlier process.

    If the block raises, the parts that are whole stay, and it is printed how to go on with them.
    Raises `UserError` if there are such and `resume` is not given, or they are of another `job`.
    """
    parts = _go_on(out, job) if resume else _begin(out, job)
    try:
        yield parts
    except BaseException:
        if parts.files:
            print(f"{parts.counts.rows:,} rows are kept in {parts.folder}: the same command with "
                  "--resume goes on", file=sys.stderr)  # fmt: skip
        else:
            shutil.rmtree(parts.folder)
        raise


def _begin(out: Path, job: Mapping[str, str]) -> Parts:
    parts = Parts(out, job)
    if parts.folder.exists():
        rows = _read_journal(parts.folder)["counts"]["rows"]
        raise UserError(
            f"output: {parts.folder} has {rows:,} rows of an unfinished output; go on with "
            "--resume, or delete it"
        )
    parts.folder.mkdir()
    parts.write_journal()
    return parts


def _go_on(out: Path, job: Mapping[str, str]) -> Parts:
    parts = Parts(out, job)
    if not parts.folder.exists():
        raise UserError(f"resume: {parts.folder} is not there, so nothing to go on with")
    facts = _read_journal(parts.folder)
    for key, value in job.items():
        if (before := facts["job"].get(key)) != value:
            raise UserError(
                f"resume: {parts.folder} was begun with another {key}: '{before}', and now it is "
                f"'{value}'; give the same, or delete that folder to begin anew"
            )
    parts.counts = Counts(**facts["counts"])
    parts.files = [parts.path(number) for number in range(facts["parts"])]
    return parts


def _read_journal(folder: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"output: {folder}: is no unfinished output ({error}); delete it") from None
    return facts
