"""Studies and variants: the files under `experiments/`, read and checked strictly."""

from pathlib import Path

EXPERIMENTS = Path(__file__).parents[2] / "experiments"  # the folder of those files
