"""Where things that can be made again are kept between processes: compiled code."""

import os
import pathlib

MIN_COMPILE_S = 0.5


def cache_folder(name: str) -> pathlib.Path:
    """The user's cache folder of this project, XDG_CACHE_HOME or ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "sandlot" / name


def keep_compiled_updates() -> None:
    """Lets a restarted learner load its compiled update (1 s) instead of compiling it again (5 to 15 s)."""
    import jax  # noqa: PLC0415  (actors use this module too, and do without JAX)

    jax.config.update("jax_compilation_cache_dir", str(cache_folder("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_S)
