"""Where things that can be made again are kept between processes."""

import os
import pathlib


def cache_folder(name: str) -> pathlib.Path:
    """The user's cache folder of this project, under XDG_CACHE_HOME or ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "sandlot" / name
