"""``bcelogits score --by``: one name for each value, whatever format and library wrote it."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")
from cli_files import LOGIT, TARGET  # noqa: E402

from bcelogits.cli import main  # noqa: E402
from bcelogits.cli.groups import spelling  # noqa: E402


def table(values: Any) -> Any:
    return pa.table({"logit": np.linspace(-2, 2, len(values)), "late": [1] * len(values),
                     "by": values})  # fmt: skip


def write(path: Path, values: Any) -> Path:
    found = table(values)
    if path.suffix == ".parquet":
        pa.parquet.write_table(found, path)
    elif path.suffix == ".csv":
        pa.csv.write_csv(found, path)
    else:
        new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with new(str(path), found.schema) as writer:
            writer.write_table(found)
    return path


def write_npz(path: Path, values: np.ndarray) -> Path:
    np.savez(path, logit=np.linspace(-2, 2, len(values)), late=np.ones(len(values)), by=values)
    return path


@pytest.fixture
def groups(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that scores by a column and returns rows for each group."""

    def call(*arguments: str | Path) -> dict[str | None, int]:
        command = ["score", *map(str, arguments), *LOGIT, *TARGET, "--by", "by"]
        assert main([*command, "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)["groups"]
        assert len({group["group"] for group in found}) == len(found)
        return {group["group"]: group["rows"] for group in found}

    return call


# Values

MOMENT = "2026-01-02 03:04:05.5"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([True, np.True_, "True", "true", "TRUE", b"true"], "true"),
        ([False, "False", "false", "FALSE"], "false"),
        ([1, 1.0, "1", "1.0", np.int8(1), np.float32(1), np.float16(1), Decimal("1.00"),
          np.longdouble(1)], "1"),
        ([0, 0.0, -0.0, "0", "-0", "0.0", "-0.0", Decimal("-0.00")], "0"),
        ([0.1, "0.1", np.float32(0.1), np.float16(0.1), np.longdouble(0.1), Decimal("0.100")],
         "0.1"),
        ([1e-7, "1e-07", "0.0000001", Decimal("0.0000001")], "1e-07"),
        ([10**17, 1e17, "1e+17", "100000000000000000", Decimal(10**17)], "100000000000000000"),
        ([2**63, np.uint64(2**63), 2.0**63],
         "9223372036854775808"),
        ([1.5, "1.5", Decimal("1.50")], "1.5"),
        ([None, "", b"", "nan", "NaN", np.nan, np.float32("nan"), np.datetime64("NaT"),
          np.timedelta64("NaT")], None),
        ([np.inf, "inf"], "inf"),
        (["01"], "01"),
        (["1.10"], "1.10"),
        (["1e5"], "1e5"),
        (["+1"], "+1"),
        (["1_000"], "1_000"),
        (["NA"], "NA"),
        (["null"], "null"),
        (["None"], "None"),
        (["Truely"], "Truely"),
        (["tRue"], "tRue"),
        ([" "], " "),
        (["-"], "-"),
        ([MOMENT, "2026-01-02T03:04:05.500000", "2026-01-02 03:04:05.500000000",
          np.datetime64("2026-01-02T03:04:05.5"), np.datetime64("2026-01-02T03:04:05.5", "ns")],
         MOMENT),
        ([np.datetime64("1970-01-02T03:04:05.5", "ps"), "1970-01-02 03:04:05.5"],
         "1970-01-02 03:04:05.5"),
        (["2026-01-02", "2026-01-02 00:00:00", "2026-01-02T00:00", "2026-01-02 00:00:00.000",
          np.datetime64("2026-01-02"), np.datetime64("2026-01-02", "ns"),
          np.datetime64("2026-01-02", "h"), np.datetime64("2026-01-02", "m")], "2026-01-02"),
        (["2026-01-02T03:04:05Z", "2026-01-02 03:04:05.000+00:00", "2026-01-02 04:04:05+0100",
          "2026-01-01 22:04:05-05", "2026-01-02 03:04:05 UTC"], "2026-01-02 03:04:05Z"),
        (["2026-13-02 00:00:00"], "2026-13-02 00:00:00"),
        (["2026-01-02 24:00:00"], "2026-01-02 24:00:00"),
        (["9999-12-31 23:59:59-05"], "9999-12-31 23:59:59-05"),
        ([np.datetime64("2026-01")], "2026-01"),
        ([np.timedelta64(90, "s"), np.timedelta64(90_000, "ms"), "0 days 00:01:30",
          "0 days 00:01:30.000000000"], "0 days 00:01:30"),
        ([np.timedelta64(-1, "ms"), "-1 days +23:59:59.999000"], "-1 days 23:59:59.999"),
        ([np.timedelta64(2, "W"), np.timedelta64(14, "D"), "14 days 00:00:00"], "14 days 00:00:00"),
        (["03:04:05", "03:04:05.000000"], "03:04:05"),
        ([uuid.UUID(int=5)], "00000000-0000-0000-0000-000000000005"),
    ],
)  # fmt: skip
def test_equal_values_have_one_name(values: list[Any], name: str | None) -> None:
    for value in values:
        assert spelling(value) == name, repr(value)


@given(
    st.text(max_size=30)
    | st.from_regex(r"-?\d{1,4}(\.\d{0,3})?(e[+-]\d\d)?")
    | st.datetimes().map(str)
    | st.datetimes().map(datetime.datetime.isoformat)
)
@example("-0")
@example("1e+16")
@example("-1e-07")
def test_a_name_is_its_own_name(text: str) -> None:
    """As the sums that an earlier run left are named."""
    name = spelling(text)
    assert spelling(name) == name


@given(st.floats())
def test_a_float_is_named_as_csv_spells_it(value: float) -> None:
    assert spelling(value) == spelling(repr(value)) == spelling(np.float64(value))
    if value == value:
        assert float(spelling(value) or "nan") == value


@given(st.floats(width=32))
def test_a_float_of_32_bits_is_named_as_csv_spells_it(value: float) -> None:
    single = np.float32(value)
    if abs(single) < 1e7:  # beyond, NumPy has fewer digits than the number
        assert spelling(single) == spelling(str(single))


@given(st.datetimes(), st.sampled_from(["us", "ns"]))
def test_a_moment_is_named_alike_in_every_unit(moment: datetime.datetime, unit: str) -> None:
    name = spelling(str(moment))
    assert spelling(np.datetime64(moment, "us")) == name
    if 1700 < moment.year < 2200:
        assert spelling(np.datetime64(moment).astype(f"M8[{unit}]")) == name


@given(st.timedeltas(min_value=datetime.timedelta(-10000), max_value=datetime.timedelta(10000)))
def test_a_duration_is_named_alike_in_every_unit(value: datetime.timedelta) -> None:
    in_us = np.timedelta64(value, "us")
    assert spelling(in_us) == spelling(in_us.astype("m8[ns]"))
    name = spelling(in_us)
    assert name is not None
    assert spelling(name) == name


@pytest.mark.parametrize("value", [1j, [1], object(), (1,), np.void(b"ab")])
def test_what_has_no_name(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot name groups"):
        spelling(value)


# Files

MOMENTS = [datetime.datetime(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4, 5, 500000)]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_timestamps_of_every_unit(tmp_path: Path, groups: Any, suffix: str) -> None:
    paths = [
        write(tmp_path / f"{unit}.{suffix}", pa.array(MOMENTS, pa.timestamp(unit)))
        for unit in ("ms", "us", "ns")
    ]
    paths.append(write(tmp_path / f"s.{suffix}", pa.array(MOMENTS[:1], pa.timestamp("s"))))
    paths.append(write(tmp_path / f"d.{suffix}", pa.array([MOMENTS[0].date()], pa.date32())))
    paths.append(write(tmp_path / f"e.{suffix}", pa.array([MOMENTS[0].date()], pa.date64())))
    paths.append(write_npz(tmp_path / "a.npz", np.array(MOMENTS, "M8[us]")))
    paths.append(write(tmp_path / "a.csv", pa.array(MOMENTS, pa.timestamp("ns"))))
    assert groups(*paths) == {"2026-01-02": 8, "2026-01-02 03:04:05.5": 5}


def test_moments_of_every_zone(tmp_path: Path, groups: Any) -> None:
    paths = [
        write(tmp_path / f"{i}.{suffix}", pa.array(MOMENTS, pa.timestamp(unit, zone)))
        for i, (unit, zone, suffix) in enumerate([
            ("us", "UTC", "parquet"), ("ns", "Europe/Berlin", "arrow"), ("ms", "+05:30", "arrow"),
            ("us", "UTC", "csv"),
        ])
    ]  # fmt: skip
    plain = write(tmp_path / "plain.parquet", pa.array(MOMENTS, pa.timestamp("us")))
    assert groups(*paths, plain) == {
        "2026-01-02": 1,  # at which moment is not known
        "2026-01-02 03:04:05.5": 1,
        "2026-01-02 00:00:00Z": 4,
        "2026-01-02 03:04:05.5Z": 4,
    }


def test_times_and_durations_of_every_unit(tmp_path: Path, groups: Any) -> None:
    times = [datetime.time(3, 4, 5, 500000), None]
    types = [pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
    paths = [write(tmp_path / f"{i}.parquet", pa.array(times, t)) for i, t in enumerate(types)]
    paths.append(write(tmp_path / "a.csv", pa.array(times[:1], pa.time64("ns"))))
    assert groups(*paths) == {"03:04:05.5": 4, None: 3}
    span = [datetime.timedelta(days=1, seconds=2), None]
    paths = [
        write(tmp_path / f"{u}.arrow", pa.array(span, pa.duration(u)))
        for u in ("s", "ms", "us", "ns")
    ]
    paths.append(write_npz(tmp_path / "a.npz", np.array(span[:1], "m8[s]")))
    assert groups(*paths) == {"1 days 00:00:02": 5, None: 4}


NUMBERS = [
    pa.array([1, 0, 1]),
    pa.array([1, 0, 1], pa.uint8()),
    pa.array([1.0, -0.0, 1.0]),
    pa.array(np.array([1, 0, 1], np.float16)),
    pa.array([1, 0, 1], pa.float32()),
    *(pa.array([Decimal("1.00"), Decimal("0.00"), Decimal("1.00")], t)
      for t in (pa.decimal32(5, 2), pa.decimal64(9, 2), pa.decimal128(9, 2), pa.decimal256(50, 3))),
    pa.array(["1", "0", "1.0"]),
    pa.array([1, 0, 1]).dictionary_encode(),
    pa.DictionaryArray.from_arrays(pa.array([1, 0, 2], pa.uint32()), pa.array([-0.0, 1.0, 1.0])),
    pa.RunEndEncodedArray.from_arrays([1, 2, 3], pa.array([1, 0, 1])),
]  # fmt: skip


@pytest.mark.parametrize("values", NUMBERS, ids=lambda values: str(values.type))
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_numbers_of_every_type_beside_integers(
    tmp_path: Path, groups: Any, values: Any, suffix: str
) -> None:
    try:
        path = write(tmp_path / f"a.{suffix}", values)
    except pa.ArrowNotImplementedError as error:
        pytest.skip(f"pyarrow does not write this: {error}")
    other = write_npz(tmp_path / "a.npz", np.array([0, 1]))
    assert groups(path, other) == {"0": 2, "1": 3}


def test_what_pandas_and_others_write_to_csv(tmp_path: Path, groups: Any) -> None:
    rows = ["True", "1.0", "2026-01-02", "2026-01-02 00:00:00", "", '""', "-0.0", "NA"]
    path = tmp_path / "a.csv"
    path.write_text("logit,late,by\n" + "".join(f"2,1,{row}\n" for row in rows))
    beside = [
        write(tmp_path / "b.parquet", [True]),
        write(tmp_path / "c.parquet", [1, None, 0]),
        write(tmp_path / "d.parquet", [MOMENTS[0]]),
        write(tmp_path / "e.parquet", ["NA", "", None]),
        write_npz(tmp_path / "f.npz", np.array([np.nan, 1])),
    ]
    assert groups(path, *beside) == {
        "0": 2, "1": 3, "2026-01-02": 3, "NA": 2, "true": 2, None: 6,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(),
                                  pa.large_binary(), pa.binary_view(), pa.binary(1)])  # fmt: skip
@pytest.mark.parametrize("encoding", ["plain", "dictionary", "runs"])
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_texts_of_every_type(
    tmp_path: Path, groups: Any, kind: Any, encoding: str, suffix: str
) -> None:
    texts = ["x", "y", None] if pa.types.is_fixed_size_binary(kind) else ["x", "y", "é", None]
    values = pa.array([None if text is None else text.encode() for text in texts], pa.binary())
    values = pa.array(values.to_pylist(), kind) if "binary" in str(kind) else pa.array(texts, kind)
    if encoding == "dictionary":  # as polars writes categories
        indices = pa.array([0, 1, None, 0], pa.uint32())
        values = pa.DictionaryArray.from_arrays(indices, values)
        expected = {"x": 2, "y": 1, None: 1}
    elif encoding == "runs":
        values = pa.RunEndEncodedArray.from_arrays(
            pa.array([2, 3, *range(4, 2 + len(values))], pa.int32()), values
        )
        expected = {"x": 2} | dict.fromkeys(texts[1:], 1)
    else:
        expected = dict.fromkeys(texts, 1)
    try:
        path = write(tmp_path / f"a.{suffix}", values)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        pytest.skip(f"pyarrow does not write this: {error}")
    assert groups(path) == expected


def test_categories_of_polars(tmp_path: Path, groups: Any) -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed")
    frame = pl.DataFrame({"logit": [1.5, -2.0, 3.0], "late": [1, 0, 1], "by": ["x", None, "x"]})
    frame = frame.with_columns(pl.col("by").cast(pl.Categorical))
    frame.write_ipc(tmp_path / "a.arrow")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.with_columns(pl.col("by").cast(pl.Enum(["y", "x"]))).write_ipc(tmp_path / "b.arrow")
    paths = [tmp_path / name for name in ("a.arrow", "a.parquet", "b.arrow")]
    assert groups(*paths) == {"x": 6, None: 3}


def test_what_pandas_writes(tmp_path: Path, groups: Any) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    columns = {
        "bool": pd.Series([True, False, True]),
        "whole": pd.Series([1.0, np.nan, 3.0]),
        "Int64": pd.Series([1, None, 3], dtype="Int64"),
        "day": pd.to_datetime(pd.Series(["2026-01-02", "2026-01-03", None])),
        "time": pd.Series([*MOMENTS, None]),
        "zone": pd.Series([*MOMENTS, None]).dt.tz_localize("Europe/Berlin"),
        "span": pd.to_timedelta(pd.Series([1.5, -3, None]), unit="s"),
        "text": pd.Series(["x", "", None]),
        "category": pd.Series(["x", "y", None], dtype="category"),
    }
    for name, values in columns.items():
        frame = pd.DataFrame({"logit": [1.5, -2.0, 3.0], "late": [1, 0, 1], "by": values})
        frame.to_csv(tmp_path / "a.csv", index=False)
        frame.to_parquet(tmp_path / "a.parquet")
        frame.to_feather(tmp_path / "a.feather")
        one = groups(tmp_path / "a.parquet")
        both = groups(*(tmp_path / f"a.{suffix}" for suffix in ("csv", "parquet", "feather")))
        assert both == {group: 3 * rows for group, rows in one.items()}, name


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())), "true"),
        (
            pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16), None], pa.binary(16))),
            str(uuid.UUID(int=0)),
        ),
        (pa.array([1, None], pa.time32("s")), "00:00:01"),
        (pa.array([1, None], pa.timestamp("s", "UTC")), "1970-01-01 00:00:01Z"),
        (pa.array([0.5, None], pa.float32()), "0.5"),
        (pa.array(["a", None]), "a"),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_nulls_among_the_values_of_runs(
    tmp_path: Path, groups: Any, values: pa.Array, name: str
) -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), values)
    assert groups(write(tmp_path / "a.arrow", runs)) == {name: 2, None: 1}


def test_extension_types(tmp_path: Path, groups: Any, fails: Callable[..., str]) -> None:
    storage = pa.array([uuid.UUID(int=5).bytes, None], pa.binary(16))
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), storage)
    path = write(tmp_path / "a.arrow", uuids)
    (tmp_path / "a.csv").write_text(f"logit,late,by\n2,1,{uuid.UUID(int=5)}\n")
    assert groups(path, tmp_path / "a.csv") == {str(uuid.UUID(int=5)): 2, None: 1}
    bools = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None, 5], pa.int8()))
    assert groups(write(path, bools)) == {"true": 2, "false": 1, None: 1}
    # What the numbers mean is told by the name of the type alone.
    metadata = {"name": "pandas.period", "metadata": '{"freq": "M"}'}
    field = pa.field(
        "by", pa.int64(), metadata={f"ARROW:extension:{k}": v for k, v in metadata.items()}
    )
    schema = pa.schema([("logit", pa.float64()), ("late", pa.int64()), field])
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.Table.from_arrays(table([672]).columns, schema=schema), path)
    assert fails(path, *LOGIT, *TARGET, "--by", "by") == (
        f"{path}: column 'by': values of type pandas.period cannot name groups: "
        "write them as texts, numbers, booleans or dates"
    )


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1.0], [2.0]]),
        pa.array([[1.0], [2.0]], pa.large_list(pa.float64())),
        pa.array([[1.0], [2.0]], pa.list_(pa.float64(), 1)),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int8())),
        pa.array([pa.MonthDayNano([1, 2, 3])] * 2),
    ],
    ids=lambda values: str(values.type),
)
def test_types_without_names_are_told(
    tmp_path: Path, fails: Callable[..., str], values: Any
) -> None:
    path = write(tmp_path / "a.arrow", values)
    line = fails(path, *LOGIT, *TARGET, "--by", "by")
    assert line.startswith(f"{path}: column 'by': values of type {values.type} cannot name groups")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)])
def test_bytes_that_are_no_text(tmp_path: Path, fails: Callable[..., str], kind: Any) -> None:
    values = pa.array([None, b"ab", b"\xff\xfe", b"ab"], kind)
    path = write(tmp_path / "a.arrow", values)
    assert fails(path, *LOGIT, *TARGET, "--by", "by") == (
        f"{path}: column 'by', data row 3: bytes that are no text in UTF-8 (type {values.type}) "
        "cannot name a group: write them as texts"
    )


def test_numpy_bytes_that_are_no_text(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = write_npz(tmp_path / "a.npz", np.array([b"a", b"b", b"\xff"]))
    line = fails(path, *LOGIT, *TARGET, "--by", "by")
    assert line.startswith(f"{path}: column 'by', data row 3: bytes that are no text in UTF-8")


def test_texts_that_are_damaged(tmp_path: Path, fails: Callable[..., str]) -> None:
    offsets = pa.py_buffer(np.array([0, 1, 2], np.int32))
    damaged = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"a\xff")])
    path = write(tmp_path / "a.arrow", damaged)
    line = fails(path, *LOGIT, *TARGET, "--by", "by")
    assert line.startswith(f"{path}: column 'by' (type string) is damaged: ")
    path = write(tmp_path / "a.parquet", damaged)
    line = fails(path, *LOGIT, *TARGET, "--by", "by")
    assert line.startswith(f"{path}: column 'by', data row 2: bytes that are no text in UTF-8")
    for column in (["--logit", "by", *TARGET], [*LOGIT, "--target", "by"]):
        assert "where a number should be" in fails(path, *column)


def test_runs_that_end_beyond_the_chunk(
    tmp_path: Path, groups: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = pa.array([70_000, 150_000, 200_000], pa.int32())
    values = pa.RunEndEncodedArray.from_arrays(ends, pa.array(["a", "b", "a"]))
    path = write(tmp_path / "a.arrow", values)
    assert groups(path) == {"a": 120_000, "b": 80_000}
    weights = pa.RunEndEncodedArray.from_arrays(ends, pa.array([1.0, 0.5, 2.0]))
    path = write(tmp_path / "a.arrow", weights)
    assert main(["score", str(path), *LOGIT, *TARGET, "--weight", "by", "--format=json"]) == 0
    overall = json.loads(capsys.readouterr().out)["overall"]
    assert overall["weight_sum"] == 70_000 + 40_000 + 100_000


def test_only_categories_that_rows_have_are_groups(tmp_path: Path, groups: Any) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([2, 2], pa.int8()), pa.array(["a", "b", "c"]))
    assert groups(write(tmp_path / "a.arrow", values)) == {"c": 2}


# Sums of earlier runs


def test_sums_of_earlier_runs_get_the_names_of_today(tmp_path: Path, groups: Any) -> None:
    state = tmp_path / "state.json"
    path = tmp_path / "a.csv"
    names = ["a", "b", "c", "d", "e"]
    path.write_text("logit,late,by\n" + "".join(f"2,1,{name}\n" for name in names))
    groups(path, "--append", state)
    old = dict(zip(names, ["True", "2026-01-02 00:00:00.000000", "nan", "1.0", "1"], strict=True))
    content = json.loads(state.read_text())
    for group in content["groups"]:
        group["group"] = old[group["group"]]
    state.write_text(json.dumps(content))
    beside = [
        write(tmp_path / "b.parquet", [True]),
        write(tmp_path / "c.parquet", [MOMENTS[0]]),
        write(tmp_path / "d.parquet", [1, None]),
    ]
    expected = {"1": 3, "2026-01-02": 2, "true": 2, None: 2}
    assert groups(*beside, "--append", state) == expected
    assert {g["group"] for g in json.loads(state.read_text())["groups"]} == set(expected)


# Numbers of every type


@pytest.mark.parametrize(
    "values",
    [values for values in NUMBERS if values.type != pa.string()],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_numbers_of_every_type_count_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: Any, suffix: str
) -> None:
    try:
        path = write(tmp_path / f"a.{suffix}", values)
    except pa.ArrowNotImplementedError as error:
        pytest.skip(f"pyarrow does not write this: {error}")
    reports = []
    for file in (path, write(tmp_path / "b.parquet", [1.0, 0.0, 1.0])):
        for columns in (["by", "late"], ["logit", "by"], ["logit", "late", "--weight", "by"]):
            command = ["--logit", columns[0], "--target", *columns[1:], "--format", "json"]
            assert main(["score", str(file), *command]) == 0
            reports.append(json.loads(capsys.readouterr().out)["overall"])
    assert reports[:3] == reports[3:]


def test_decimals_are_the_nearest_doubles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As those of CSV: Arrow's own cast is up to one ULP off."""
    for name in ("-2.941", "2.937", "1e-20", "12345678901234567.891"):
        value = Decimal(name)
        kind = pa.decimal128(38, max(0, -value.as_tuple().exponent))
        columns = {"logit": [1.0], "late": [1], "w": pa.array([abs(value)], kind)}
        pa.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
        command = ["score", str(tmp_path / "a.parquet"), *LOGIT, *TARGET, "--weight", "w"]
        assert main([*command, "--format", "json"]) == 0
        overall = json.loads(capsys.readouterr().out)["overall"]
        assert overall["weight_sum"] == abs(float(name))


@pytest.mark.parametrize(
    ("values", "row"),
    [
        (pa.DictionaryArray.from_arrays(pa.array([0, None, 1]), pa.array([1.0, 0.0])), 2),
        (pa.DictionaryArray.from_arrays(pa.array([0, 0, 1]), pa.array([1.0, None])), 3),
        (pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([1.0, None])), 3),
    ],
)
def test_nulls_behind_encodings(
    tmp_path: Path, fails: Callable[..., str], values: Any, row: int
) -> None:
    path = write(tmp_path / "a.arrow", values)
    for columns in (["by", "late"], ["logit", "by"], ["logit", "late", "--weight", "by"]):
        line = fails(path, "--logit", columns[0], "--target", *columns[1:])
        assert line == f"{path}: column 'by', data row {row}: a value is missing (null)"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("suffix", ["npy", "npz", "parquet"])
def test_logits_of_16_bit_integers_are_bits_of_bfloat16(
    tmp_path: Path, fails: Callable[..., str], suffix: str, order: str
) -> None:
    bits = np.array([16128, 49024], f"{order}u2")
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, np.rec.fromarrays([bits, bits > 20000], names=["logit", "late"]))
    elif suffix == "npz":
        np.savez(path, logit=bits, late=bits > 20000)
    else:
        pa.parquet.write_table(pa.table({"logit": bits.astype("u2"), "late": [0, 1]}), path)
    line = fails(path, *LOGIT, *TARGET)
    assert line.startswith(f"{path}: column 'logit': logits of type uint16 are refused: ")


def test_bfloat16_that_lost_its_type(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, logit=np.array([b"\x80\x3f", b"\x00\x40"], "V2"), late=np.ones(2))
    assert ".astype(numpy.float32)" in fails(path, *LOGIT, *TARGET)
