"""Studies and variants: what the files under `experiments/` ask for, read strictly."""

from pathlib import Path

EXPERIMENTS = Path(__file__).parents[2] / "experiments"  # the folder of those files
