"""A study's data becomes a run: the split, what resembles what in it, and the transfer set."""

from fincompress.commands.options import Options
from fincompress.commands.workspace import Workshop, workshop
from fincompress.config import dump, fingerprint
from fincompress.data import Splits
from fincompress.reports import plots
from fincompress.tracking import runs


def log_data_once(shop: Workshop) -> None:
    """Log the data of a study, unless that has been done."""
    if runs.find_run("prepare", shop.study.name, **_fingerprints(shop.splits)) is None:
        log_data(shop)
    else:
        print(f"data: {shop.data_line}")


def log_data(shop: Workshop) -> None:
    """Log the split, its sizes and near duplicates, and the transfer set, as a run."""
    splits = shop.splits
    sizes = {part: len(sentences) for part, sentences in splits.parts().items()}
    tags = shop.tags("prepare", **_fingerprints(splits))
    with runs.step("prepare", tags, shop.note):
        runs.log_config({"data": dump(shop.study.data)})
        alike = splits.near_duplicates()
        transfer = {
            "sentences": len(splits.transfer.texts),
            "in_the_split_already": splits.transfer.known,
            "near_duplicates_of_held_out": splits.transfer.alike,
        }
        facts = {"name": splits.name, "fingerprint": splits.fingerprint, "sizes": sizes}
        runs.log_json(facts | {"near_duplicates": alike, "transfer": transfer}, "data.json")
        runs.log_inputs(splits)
        counts = {f"sentences/{part}": size for part, size in sizes.items()}
        counts |= {f"near_duplicates/{pair}": count for pair, count in alike.items()}
        counts |= {f"transfer/{name}": count for name, count in transfer.items()}
        runs.log_metrics(counts)
        folder = shop.scratch / "data"
        folder.mkdir()
        for part, sentences in splits.parts().items():
            sentences.frame().to_csv(folder / f"{part}.csv", index=False)
        plots.class_distribution(splits, folder / "class_distribution.png")
        runs.log_folder(folder)
    print(f"data: {shop.data_line}")
    pairs = ", ".join(f"{pair.replace('_', '-')} {count}" for pair, count in alike.items())
    print(f"data: near duplicates: {pairs}")
    if shop.study.data.transfer:
        said = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in transfer.items())
        print(f"data: transfer set: {said}")


def _fingerprints(splits: Splits) -> dict[str, str]:
    return {"fingerprint": splits.fingerprint, "transfer": fingerprint(splits.transfer.texts)}


def prepare_data(options: Options) -> None:
    """Read, clean and split the data, and log it."""
    with workshop(options) as shop:
        log_data(shop)
