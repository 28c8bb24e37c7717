"""What is kept between commands because it is slow to make: feature nets, indexes of streams."""

import os
from pathlib import Path

import platformdirs

from ..files import check_folder

__all__ = ["cache_folder", "writable_cache"]


def cache_folder(name: str) -> Path:
    """A folder of the cache, which may be absent: in `LITHO_CACHE`, or in the platform's user cache.

    Args:
        name: of the folder.
    """
    root = os.environ.get("LITHO_CACHE")
    return (Path(root) if root else platformdirs.user_cache_path("litho")) / name


def writable_cache(name: str) -> Path:
    """The same, to write to.

    Raises:
        UsageError: nothing may be written there; LITHO_CACHE can name another folder.
    """
    folder = cache_folder(name)
    check_folder(folder, "LITHO_CACHE" if os.environ.get("LITHO_CACHE") else "no LITHO_CACHE: the default")
    return folder
