"""``obcn models``."""

import typer


def models() -> None:
    """List the checkpoints and configs that ship, from their cards.

    Example: `obcn models`
    """
    from obcn.checkpoints import SHIPPED_CHECKPOINTS, read_card, shipped_names
    from obcn.config import SHIPPED_CONFIGS
    from obcn.engine import report

    cards = {name: read_card(SHIPPED_CHECKPOINTS / f"{name}.safetensors") for name in shipped_names()}
    report.print_cards(cards)
    typer.echo("configs: " + ", ".join(sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))))
