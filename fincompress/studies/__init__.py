"""Studies and variants: the files under `experiments/`, read and checked strictly."""

from pathlib import Path

ALL = "all"  # names every variant, or every ablation
EXPERIMENTS = Path(__file__).parents[2] / "experiments"  # the folder of those files
