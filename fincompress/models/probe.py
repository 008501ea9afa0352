"""The probe: sentences in exported artifacts, with the logits that PyTorch has for them.

With it, engines can be timed and checked on the CPU where a model is served, without any data.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.config import UserError
from fincompress.models.probabilities import class_probabilities

PROBE = "probe.json"
SENTENCES = (
    "Profit doubled .",
    "The carrier lost money again in spring .",
    "Shares closed flat on Tuesday .",
    "Margins shrank because steel got dearer .",
    "A new warehouse opens near the port next week .",
    "Brewery warns of a difficult year",
    "The bank beat expectations , and its shares jumped 6 % .",
    "Bondholders agreed to wait another month for their money .",
    "Demand for copper cable remains weak in southern Europe , the supplier said in a statement .",
    "The board will meet on 12 June to approve the accounts .",
    "Thanks to a milder winter the insurer paid out far less than it had set aside for storms .",
    "Two of its five paper machines stand still , and nobody knows for how long .",
    "The retailer will open thirty shops this year , ten more than it had planned .",
    "The company makes pumps , valves and filters for water works .",
    "Its rival withdrew the offer after a look at the books .",
    "The fund now holds 4.9 % of the votes , down from 5.1 % .",
    "Customers waited up to nine weeks for spare parts , and many of them went elsewhere .",
    "The regulator cleared the drug for sale in all member states .",
    "The chief executive sold 20,000 shares to pay taxes .",
    "After three lean years the shipyard is fully booked until the end of the decade , with orders "
    "for two cruise ships , a ferry and four tugs that are worth some USD 3.1 billion in all .",
    "The auditor refused to sign .",
    "The group , whose head office is in Ghent , was founded in 1921 and has 2,300 employees .",
    "Interest on its loans will rise by a third from January , which leaves little to invest , and "
    "the owners have said that they will not put in any more of their own money .",
    "A court threw out the claim for damages of EUR 80 million against the builder .",
)


@dataclass(frozen=True)
class Probe:
    """What an artifact has in `probe.json`.

    `texts`: the sentences. `logits`: PyTorch's logits for them, float32 (n, labels).
    """

    texts: tuple[str, ...]
    logits: NDArray[np.float32]


def write_probe(folder: Path, logits: NDArray[np.float32]) -> None:
    """Write `SENTENCES` and the `logits` for them, (n, labels), into the folder of an artifact."""
    rows = np.round(logits.astype(np.float64), 4).tolist()
    text = json.dumps({"texts": SENTENCES, "logits": rows}, indent=1)
    (folder / PROBE).write_text(text + "\n", encoding="utf-8")


def read_probe(artifact: Artifact) -> Probe:
    """Return the artifact's probe; raise `UserError` if it has none."""
    if PROBE not in artifact.manifest.files:
        raise UserError(f"{artifact.path}: has no {PROBE}, by which `auto` chooses an engine")
    data = json.loads((artifact.path / PROBE).read_text(encoding="utf-8"))
    return Probe(tuple(data["texts"]), np.array(data["logits"], dtype=np.float32))


def largest_change(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the largest difference of two models' probabilities, given logits (n, labels) each."""
    return float(np.abs(class_probabilities(first) - class_probabilities(second)).max(initial=0.0))
