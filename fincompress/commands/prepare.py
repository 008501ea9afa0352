"""Verb `prepare`: read, clean and split a study's data, and log what it consists of."""

from collections import Counter
from collections.abc import Mapping

from fincompress.commands.options import Options
from fincompress.commands.workspace import Workspace, open_workspace
from fincompress.config import dump, fingerprint
from fincompress.data import Splits
from fincompress.data.labels import metric_name
from fincompress.reports import plots
from fincompress.tracking import runs


def prepare_data(options: Options) -> None:
    """Read, clean and split the data, and log it."""
    with open_workspace(options) as workspace:
        log_data(workspace)


def log_data_once(workspace: Workspace) -> None:
    """Log the data of a study, unless that has been done."""
    if runs.find_run("prepare", workspace.study.name, **_fingerprints(workspace.splits)) is None:
        log_data(workspace)
    else:
        print(f"data: {workspace.data_line}")


def log_data(workspace: Workspace) -> None:
    """Log the split, its sizes and near duplicates, and the transfer set, as a run."""
    splits = workspace.splits
    sizes = {part: len(sentences) for part, sentences in splits.parts().items()}
    tags = workspace.tags("prepare", **_fingerprints(splits))
    with runs.step("prepare", tags, workspace.note):
        runs.log_config({"data": dump(workspace.study.data)})
        duplicates = splits.near_duplicates()
        transfer = {
            "sentences": len(splits.unlabelled),
            "held_out_for_thresholds": len(splits.transfer.held_out),
            "with_a_label": len(splits.transfer.texts) - len(splits.unlabelled),
            "in_the_split_already": splits.transfer.known,
            "near_duplicates_of_held_out": splits.transfer.alike,
            "near_duplicates_of_an_earlier_one": splits.transfer.repeated,
        }
        training_only = {
            **Counter(splits.training_only.sentences.origins),
            "in_the_split_already": splits.training_only.known,
            "near_duplicates_of_held_out": splits.training_only.alike,
        }
        facts = {"name": splits.name, "fingerprint": splits.fingerprint, "sizes": sizes}
        facts |= {"near_duplicates": duplicates, "transfer": transfer}
        runs.log_json(facts | {"training_only": training_only}, "data.json")
        runs.log_inputs(splits)
        counts = {f"sentences/{part}": size for part, size in sizes.items()}
        counts |= {f"near_duplicates/{pair}": count for pair, count in duplicates.items()}
        counts |= {f"transfer/{name}": count for name, count in transfer.items()}
        counts |= {
            f"training_only/{metric_name(name)}": count for name, count in training_only.items()
        }
        runs.log_metrics(counts)
        folder = workspace.scratch / "data"
        folder.mkdir()
        for part, sentences in splits.parts().items():
            sentences.frame().to_csv(folder / f"{part}.csv", index=False)
        plots.class_distribution(splits, folder / "class_distribution.png")
        runs.log_folder(folder)
    print(f"data: {workspace.data_line}")
    pairs = ", ".join(f"{pair.replace('_', '-')} {count}" for pair, count in duplicates.items())
    print(f"data: near duplicates: {pairs}")
    if workspace.study.data.training_only:
        print(f"data: read by training alone: {_counted(training_only)}")
    if workspace.study.data.transfer:
        print(f"data: transfer set: {_counted(transfer)}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def _fingerprints(splits: Splits) -> dict[str, str]:
    return {
        "fingerprint": splits.training_fingerprint,
        "transfer": fingerprint(splits.transfer.texts),
    }
