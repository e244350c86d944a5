"""What all tables share."""

from typing import Any, cast

import pandas as pd


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows by column name; numbers are Python's own."""
    return cast(list[dict[str, Any]], table.to_dict("records"))
