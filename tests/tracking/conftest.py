"""A study whose registered model has one version, the teacher."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fincompress.artifact import Artifact
from fincompress.studies.study import Study
from tests.support.registry import registered


@pytest.fixture(scope="module")
def study(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Path,
    student_checkpoint: Path,
    base: Artifact,
) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("registered")
    with registered(folder, checkpoint, student_checkpoint, base) as opened:
        yield opened
