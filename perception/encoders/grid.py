"""Where the cells of a map are."""

import numpy as np


def grid(height: int, width: int) -> np.ndarray:
    """Row and column of every cell, row by row, in [-1, 1], float32 [cells, 2]."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.float32)
