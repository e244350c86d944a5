"""While networks look at a photo, the numbers of the one before stand dimmed."""

import hashlib
from collections.abc import Iterable


def objects_key(digest: str, models: Iterable[str]) -> str:
    """Names the container of what these models say of one object, for Streamlit and for style sheets.

    Args:
        digest: of the photo.
        models: their names.
    """
    said_of = "\n".join((digest, *models))
    return f"obcn-of-{hashlib.sha256(said_of.encode()).hexdigest()[:16]}"


def dim_all_but(key: str) -> str:
    """Style that dims what Compare says of an object, unless it holds the container of this key.

    Streamlit dims what is stale too, but only after a while and not between two runs; and it keeps this style until the
    next photo's numbers are all there, which must not be dim.
    """
    return f"<style>.st-key-obcn-object:not(:has(.st-key-{key})) {{ opacity: 0.35; }}</style>"
