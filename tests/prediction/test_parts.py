"""Unfinished outputs: whole parts are kept, all else is dropped, and jobs are not mixed."""

from pathlib import Path

import pytest

from fincompress.prediction.parts import Parts, open_parts
from tests.support.projects import refusal

JOB = {"model": "m version 1", "input": "rows.csv"}


def write_part(parts: Parts, text: str, rows: int) -> None:
    with parts.next_part() as (path, counts):
        path.write_text(text)
        counts.rows += rows
        counts.cut += 1


def enter(out: Path, job: dict[str, str], resume: bool) -> Parts:
    with open_parts(out, job, resume) as parts:
        return parts


@pytest.fixture
def interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An output of which two parts are whole, when Ctrl-C strikes in the third."""
    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt), open_parts(out, JOB, resume=False) as parts:
        write_part(parts, "a", 10)
        write_part(parts, "b", 5)
        with parts.next_part() as (path, counts):
            path.write_text("half")
            counts.rows += 3
            raise KeyboardInterrupt
    said = capsys.readouterr().err
    assert said == f"15 rows are kept in {out}.parts: the same command with --resume goes on\n"
    return out


def test_another_process_goes_on_after_the_last_whole_part(interrupted: Path) -> None:
    assert not interrupted.exists()
    with open_parts(interrupted, JOB, resume=True) as parts:
        assert (parts.counts.rows, parts.counts.cut) == (15, 2)
        write_part(parts, "c", 1)
        with parts.whole_output() as draft:
            draft.write_text("".join(part.read_text() for part in parts.files))
    assert interrupted.read_text() == "abc"
    assert list(interrupted.parent.iterdir()) == [interrupted]


def test_an_unfinished_output_is_neither_lost_nor_mixed(interrupted: Path) -> None:
    assert refusal(lambda: enter(interrupted, JOB, False)).endswith(
        "has 15 rows of an unfinished output; go on with --resume, or delete it"
    )
    assert refusal(lambda: enter(interrupted, JOB | {"model": "m version 2"}, True)).endswith(
        "was begun with another model: 'm version 1', and now it is 'm version 2'; give the same, "
        "or delete that folder to begin anew"
    )
    assert enter(interrupted, JOB, True).counts.rows == 15


def test_what_failed_before_its_first_part_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError), open_parts(tmp_path / "out.csv", JOB, resume=False):
        raise OSError
    assert not list(tmp_path.iterdir())
    assert "is not there, so nothing to go on with" in refusal(
        lambda: enter(tmp_path / "out.csv", JOB, True)
    )


def test_a_foreign_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.csv.parts").mkdir()
    assert "is no unfinished output" in refusal(lambda: enter(tmp_path / "out.csv", JOB, False))
