"""Find the flights that a model predicts worst: the losses of single rows, and where they gather.

The predictions are those of ``examples/flights.parquet``: a logit for each of 40,000 flights, and
whether it was late. With ``reduction="none"`` the loss says of each flight how much worse it was
predicted than with certainty. The example says how much of the total the worst flights hold, which
carriers and months have more of them than their share, and writes them to a file, worst first, for
someone to look at or for a model to be trained on again.

Run::

    pip install "bcelogits[cli]"
    python examples/hard_examples.py --share 0.05 --output hard.parquet
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from bcelogits import binary_cross_entropy_with_logits

FLIGHTS = Path(__file__).resolve().with_name("flights.parquet")


def hardest(losses: NDArray[Any], share: float) -> NDArray[np.intp]:
    """Return the rows of the largest losses, largest first.

    Parameters
    ----------
    losses : ndarray, shape (rows,)
    share : float
        Of the rows, above 0 and at most 1; one row at least.
    """
    count = max(1, round(share * losses.size))
    rows = np.argpartition(losses, losses.size - count)[losses.size - count :]
    return rows[np.argsort(losses[rows])[::-1]]


def lifts(groups: NDArray[Any], rows: NDArray[np.intp]) -> list[tuple[Any, int, float]]:
    """Return each group, how many of `rows` it has, and that number over its share of all rows."""
    names, of_all = np.unique(groups, return_inverse=True)
    everything = np.bincount(of_all)
    chosen = np.bincount(of_all[rows], minlength=names.size)
    expected = everything * (rows.size / groups.size)
    found = zip(names.tolist(), chosen.tolist(), (chosen / expected).tolist(), strict=True)
    return sorted(found, key=lambda group: -group[2])


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not {text}")
    return value


def main(argv: Sequence[str] | None = None) -> None:
    """Report and write the hardest flights."""
    parser = argparse.ArgumentParser(description="Find the flights that are predicted worst.")
    parser.add_argument(
        "--share", type=_share, default=0.05, help="of the flights (default: %(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("hard.parquet"), help="Parquet (default: %(default)s)"
    )
    args = parser.parse_args(argv)

    flights = pa.parquet.read_table(FLIGHTS)
    losses = binary_cross_entropy_with_logits(
        flights["logit"].to_numpy(), flights["target"].to_numpy(), reduction="none"
    )
    rows = hardest(losses, args.share)
    held = losses[rows].sum(dtype=np.float64) / losses.sum(dtype=np.float64)
    late = flights["target"].to_numpy()[rows].mean()
    print(f"the hardest {rows.size:,} of {losses.size:,} flights hold {held:.1%} of the loss")
    print(f"{late:.1%} of them were late; their losses are {losses[rows[-1]]:.3f} and more")
    for name in ("carrier", "month"):
        groups = [g for g in lifts(flights[name].to_numpy(), rows) if g[1] >= 10 and g[2] > 1]
        shown = ", ".join(f"{group} {lift:.2f}" for group, _, lift in groups[:4])
        print(f"{name}s with more than their share: {shown}")
    written = flights.take(pa.array(rows)).append_column("loss", pa.array(losses[rows]))
    pa.parquet.write_table(written, args.output)
    print(f"wrote {written.num_rows:,} flights to {args.output}")


if __name__ == "__main__":
    main()
