"""The arguments of the command: what they are, what they mean, which values they take."""

import argparse
import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from bcelogits._threads import all_cores
from bcelogits.cli.errors import CommandError
from bcelogits.cli.formats import PICTURES, SUFFIXES

Format = Literal["table", "json"]

_FORMATS = """\
files:
  .csv .tsv              with a header; also compressed (.gz .bz2 .zst)
  .parquet .pq           Parquet
  .arrow .feather .ipc   Arrow IPC files (Feather 2); .arrows, or any of these: IPC streams
  .npy                   fields of a structured array, or the columns 0, 1, ... of a 2-D array
  .npz                   named arrays; A[0], A[1], ... are the columns of a 2-D array A
  Files are read in chunks. All but .npy and .npz need pyarrow: pip install 'bcelogits[cli]'
  A folder stands for all such files below it, without those that begin with . or _; a pattern
  ('logs/2026-*.parquet', '**' for folders of any depth) for what it matches; - for standard input.
  Each file counts once. The files of a table with a log (Delta, Iceberg, Hudi) are refused: they
  hold deleted rows too.

figures:
  rows                   data rows
  positives              sum of w*y over all labels (w = 1 without --weight)
  base rate              sum of w*y over sum of w
  mean loss              sum of w*loss over sum of w, the library's reduction="weighted_mean"
  normalized entropy     mean loss over the entropy of the base rate: below 1 is better than always
                         predicting the base rate; --pos-weight and --label-smoothing change the
                         loss alone and so the meaning of this figure
  calibration            mean prediction over base rate; the mean is weighted likewise
  A figure with no value (no rows, a base rate of 0 or 1) is nan, in JSON null, and so is an
  infinite one in JSON. Everything is computed in double precision.

With several labels, every figure is given per label and over all labels together; the base rate is
then positives over rows times labels.

A group is a value of the column of --by, whatever wrote it: 1 and 1.0, True and true, a moment in
any unit are one group, and so are nulls, NaN and empty texts.

A missing column or value, a NaN, a text where a number should be, a target outside [0, 1], a
negative weight: one line on standard error names file, column and data row (the first is 1, a
header is not counted), exit status 2. If every logit is in [0, 1], a line there says that they look
like probabilities.

exit status:
  0                      scored
  2                      bad arguments or input, told in one line on standard error; what --plot and
                         --append name is as it was
  3                      scored, and the mean loss of the report is above --fail-above X, or it
                         has no value; everything was written
  130, 141               interrupted; the reader of standard output went away. What --plot and
                         --append name is as it was
"""


@dataclass(frozen=True)
class Options:
    """What to score, and how.

    Attributes
    ----------
    paths : tuple of str
        Files, folders, patterns; "-" is standard input.
    logits, targets : tuple of str
        Names of columns, of equal number; the i-th logit belongs to the i-th target.
    weight, by : str or None
        Names of columns.
    pos_weight : tuple of float, "balanced" or None
        One value per label.
    label_smoothing : float
        In [0, 1].
    format : "table" or "json"
        Form of the report.
    stdin_format : str
        The suffix that files in the format of standard input have.
    threads : int
        How many work on the files.
    scheduler : str or None
        Address of the dask cluster that does the work, or the file that tells it.
    plot, append : str or None
        Files to write: a picture, and the state of a running total.
    fail_above : float or None
        Largest mean loss that is no failure.
    """

    paths: tuple[str, ...]
    logits: tuple[str, ...]
    targets: tuple[str, ...]
    weight: str | None = None
    by: str | None = None
    pos_weight: tuple[float, ...] | Literal["balanced"] | None = None
    label_smoothing: float = 0.0
    format: Format = "table"
    stdin_format: str = ".csv"
    threads: int = 1
    scheduler: str | None = None
    plot: str | None = None
    append: str | None = None
    fail_above: float | None = None

    @property
    def is_shared(self) -> bool:
        """Whether parts of the files are worked on apart from each other."""
        return self.threads > 1 or self.scheduler is not None


class _Once(argparse.Action):
    """Keep the value of an option that stands there once: of two, neither is what was meant."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("_given", set())
        if self.dest in given:
            raise argparse.ArgumentError(self, "is given twice; one can be told only")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # What an option does that is told nothing else. Those that add up say "extend".
        self.register("action", None, _Once)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")

    def print_help(self, file: Any = None) -> None:
        # argparse's own ignores that the reader went away
        print(self.format_help(), end="", file=file)


class _Version(argparse.Action):
    """Import the version, and NumPy with it, only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from bcelogits import __version__

        print(f"bcelogits {__version__}")
        parser.exit()


def parse_arguments(argv: Sequence[str] | None = None) -> Options:
    """Parse the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the program's name. Default: those of the process.

    Returns
    -------
    Options

    Raises
    ------
    CommandError
        If an argument is missing, unknown or out of range.
    SystemExit
        After --help and --version.
    """
    given = _parser().parse_args(argv)
    logits, targets = tuple(given.logit), tuple(given.target)
    if len(logits) != len(targets):
        raise CommandError(
            f"{len(logits)} logit column(s) but {len(targets)} target column(s): "
            "the i-th logit belongs to the i-th target"
        )
    if len(set(targets)) != len(targets):
        raise CommandError(f"a target column is named twice: {', '.join(targets)}")
    pos_weight = _joined_pos_weights(given.pos_weight)
    if isinstance(pos_weight, tuple):
        if len(pos_weight) not in (1, len(targets)):
            raise CommandError(
                f"--pos-weight has {len(pos_weight)} values for {len(targets)} label(s): "
                "give one, or one per label"
            )
        if len(pos_weight) == 1:
            pos_weight *= len(targets)
    _check_engine(given)
    if given.append is not None and pos_weight == "balanced":
        raise CommandError(
            "--append needs the same weights in every run: --pos-weight X instead of balanced"
        )
    if given.append is not None and given.append == given.plot:
        raise CommandError("--append and --plot name the same file")
    return Options(
        paths=tuple(given.paths),
        logits=logits,
        targets=targets,
        weight=given.weight,
        by=given.by,
        pos_weight=pos_weight,
        label_smoothing=given.label_smoothing,
        format=given.format,
        stdin_format=given.stdin_format,
        threads=given.threads,
        scheduler=given.scheduler,
        plot=given.plot,
        append=given.append,
        fail_above=given.fail_above,
    )


def _joined_pos_weights(
    given: list[float | str] | None,
) -> tuple[float, ...] | Literal["balanced"] | None:
    if given is None:
        return None
    if given == ["balanced"]:
        return "balanced"
    numbers = tuple(value for value in given if not isinstance(value, str))
    if len(numbers) < len(given):
        raise CommandError("--pos-weight: balanced is for all labels, and stands alone")
    return numbers


def _check_engine(given: argparse.Namespace) -> None:
    if given.paths.count("-") > 1:
        raise CommandError("standard input (-) can be read once only")
    if given.engine == "dask":
        if given.scheduler is None:
            raise CommandError("--engine dask needs --scheduler ADDRESS")
        if given.threads != 1:
            raise CommandError(
                "--threads is for this machine: with --engine dask the workers decide"
            )
        if "-" in given.paths:
            raise CommandError("standard input (-) cannot be read by a dask cluster")
    elif given.scheduler is not None:
        raise CommandError("--scheduler is for --engine dask")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bcelogits",
        allow_abbrev=False,
        description="Binary cross entropy with logits, for predictions kept in files.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    score = commands.add_parser(
        "score",
        allow_abbrev=False,
        help="score logged predictions",
        description="Score logged predictions: rows, positives, base rate, mean loss, normalized"
        "\nentropy and calibration, in all and per group.",
        epilog=_FORMATS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    score.add_argument("paths", nargs="+", metavar="PATH", help="files, taken as one data set")
    score.add_argument(
        "--logit",
        required=True,
        action="extend",
        type=_names,
        metavar="COL",
        help="column of logits; several, for several labels, by a comma or by repeating the "
        "option (quote a name that has a comma: '\"a,b\",c')",
    )
    score.add_argument(
        "--target",
        required=True,
        action="extend",
        type=_names,
        metavar="COL",
        help="column of targets in [0, 1]; as many as logits, in their order",
    )
    score.add_argument("--weight", metavar="COL", help="column of weights of the rows, >= 0")
    score.add_argument(
        "--pos-weight",
        action="extend",
        type=_pos_weights,
        metavar="X|balanced",
        help="weight of the positive term: a number >= 0, one per label (X,Y,... or by repeating "
        "the option, in the order of the labels), or negatives over positives of each label in the "
        "data (reads the targets twice; weights do not count)",
    )
    score.add_argument(
        "--label-smoothing",
        type=_fraction,
        default=0.0,
        metavar="A",
        help="in [0, 1]: a target y counts as y*(1-A) + A/2 in the loss (default: 0)",
    )
    score.add_argument("--by", metavar="COL", help="column of groups to report one by one")
    score.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="a table, or one JSON object in one line (default: table)",
    )
    score.add_argument(
        "--stdin-format",
        type=_suffix,
        default=".csv",
        metavar="SUFFIX",
        help="format of standard input, as the suffix of a file tells it (default: csv)",
    )
    score.add_argument(
        "--threads",
        type=_threads,
        default=1,
        metavar="N",
        help="threads that share files, and row groups of Parquet; 0 for all cores (default: 1)",
    )
    score.add_argument(
        "--engine",
        choices=("local", "dask"),
        default="local",
        help="who does the work: this process, or a dask cluster whose workers see the files under "
        "the same names and have bcelogits (default: local)",
    )
    score.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of the dask cluster: tcp://host:8786, or the file that its scheduler writes "
        "(--scheduler-file scheduler.json)",
    )
    score.add_argument(
        "--plot",
        type=_picture,
        metavar="FILE",
        help="draw what was predicted against what came true, with counts, and the distribution of "
        "losses, for each group or label (.png, .svg or .pdf)",
    )
    score.add_argument(
        "--append",
        metavar="FILE",
        help="add the rows to the sums in this JSON file, and report on all of them; the file is "
        "made if there is none",
    )
    score.add_argument(
        "--fail-above",
        type=_limit,
        metavar="X",
        help="exit status 3 if the mean loss of the report is above X, or is no number",
    )
    return parser


def _names(text: str) -> list[str]:
    """Split at commas, with quotes as in CSV."""
    try:
        names = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of columns: {error}") from None
    if not names or not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} holds an empty column name")
    return names


def _pos_weights(text: str) -> list[float | str]:
    if text == "balanced":
        return [text]
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither numbers nor 'balanced'") from None
    if not all(0 <= value < math.inf for value in values):
        raise argparse.ArgumentTypeError(f"{text!r} is not finite and >= 0")
    return [*values]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _fraction(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is outside [0, 1]")
    return value


def _suffix(text: str) -> str:
    suffix = "." + text.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        known = " ".join(name[1:] for name in SUFFIXES)
        raise argparse.ArgumentTypeError(f"{text!r} is no known format (known: {known})")
    return suffix


def _threads(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of threads")
    return int(text) or all_cores()


def _picture(text: str) -> str:
    if not text.lower().endswith(PICTURES):
        raise argparse.ArgumentTypeError(f"{text!r} has none of the suffixes {' '.join(PICTURES)}")
    return text


def _limit(text: str) -> float:
    value = _number(text)
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no limit")
    return value
