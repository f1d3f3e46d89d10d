"""Calibrate the predictions of ../flights.parquet with the Cython module beside this file."""

from pathlib import Path

import numpy as np
import pyarrow.parquet
from calibrate import calibrate

FLIGHTS = Path(__file__).resolve().parent.parent / "flights.parquet"


def main(path: Path = FLIGHTS) -> None:
    table = pyarrow.parquet.read_table(path, columns=["logit", "target"])
    logits, labels = (np.asarray(table[name], dtype=np.float64) for name in ("logit", "target"))
    a, b, losses = calibrate(logits, labels)
    print(f"a {a:.4f}, b {b:.4f}: the loss goes from {losses[0]:.6f} to {losses[-1]:.6f}")


if __name__ == "__main__":
    main()
