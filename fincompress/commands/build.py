"""Verbs `teacher`, `distill`, `quantize` and `prune`: build the variants of one family."""

from fincompress.commands.builder import build_all
from fincompress.commands.options import Options
from fincompress.commands.prepare import log_data_once
from fincompress.commands.workspace import _command, workshop
from fincompress.studies.variants import select


def build_family(family: str, options: Options) -> None:
    """Build the variants of a family, and first whatever they are built from."""
    with workshop(options) as shop:
        wanted = select(shop.variants, options.variant, family)
        with _command(shop, family):
            log_data_once(shop)
            build_all(shop, wanted)
