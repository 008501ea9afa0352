"""studies.study: TODO"""

from typing import Annotated

from pydantic import Field

from fincompress import studies
from fincompress.benchmark.protocol import Timing
from fincompress.config import UserError, nearest, parse, read_yaml, settings
from fincompress.data import DataConfig
from fincompress.models.checkpoint import Base
from fincompress.promotion import Gate
from fincompress.training.loop import Budget


@settings
class Study:
    """What is equal for all variants, so that their comparison is fair."""

    name: str
    description: str
    data: DataConfig
    base: Base
    student_base: Base
    max_length_tokens: Annotated[int, Field(ge=8)]
    seed: Annotated[int, Field(ge=0)] = 42
    budget: Budget
    benchmark: Timing
    gate: Gate
    peers_of: str = ""
    published: dict[str, float] = Field(default_factory=dict)  # test macro-F1 of others

    @property
    def model_name(self) -> str:
        return f"fincompress-{self.name}"


def load_study(name: str) -> Study:
    """Read `experiments/<name>.yaml`; raise `UserError` for an unknown name or a wrong file."""
    known = [path.stem for path in studies.EXPERIMENTS.glob("*.yaml")]
    if name not in known:
        raise UserError(f"study: unknown study '{name}'; {nearest(name, known)}")
    path = studies.EXPERIMENTS / f"{name}.yaml"
    data = read_yaml(path)
    if "name" in data:
        raise UserError(f"{path}: unknown key 'name'; a study is named by its file")
    return parse(Study, data | {"name": name}, str(path))
