"""The cache: where its folders are, and that a file is written whole or not at all."""

import tempfile
from pathlib import Path

import pytest

from fincompress.machine.cache import CACHE_VARIABLE, cache_folders, write_whole


def test_the_folder_that_the_environment_names_comes_before_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    users = tmp_path / "user" / "fincompress" / "answers"
    assert cache_folders("answers") == [tmp_path / "named" / "answers", users]
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folders("answers") == [users]
    assert not list(tmp_path.iterdir()), "asking makes no folder"


def test_the_users_cache_is_in_the_home_or_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folders("x") == [tmp_path / ".cache" / "fincompress" / "x"]

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folders("x") == [Path(tempfile.gettempdir()) / "fincompress" / "x"]


def test_a_file_replaces_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file"
    assert write_whole(file, b"one")
    assert write_whole(file, b"two")
    assert file.read_bytes() == b"two"
    assert list(file.parent.iterdir()) == [file]


def test_where_nothing_can_be_written_that_is_said_and_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not write_whole(tmp_path / "file" / "x", b"one")


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_file_that_cannot_be_completed_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write_whole(tmp_path / "file", b"one")

    def stopped(draft: Path, file: Path) -> Path:
        raise error

    monkeypatch.setattr(Path, "replace", stopped)
    if isinstance(error, OSError):
        assert not write_whole(tmp_path / "file", b"two")
    else:
        with pytest.raises(KeyboardInterrupt):
            write_whole(tmp_path / "file", b"two")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"one"]
