"""Containers in which something can be missing: each is made of a list, in which None is."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import pytest


def library(name):
    return pytest.importorskip(name, reason=f"{name} is not installed, whose containers are tried")


def masked(values, under=7.0):
    """A masked array with something under its mask."""
    gone = [v is None for v in values]
    filled = [under if v is None else v for v in values]
    # Booleans stay so: what is under a mask has the dtype of the others.
    dtype = np.array([v for v in values if v is not None]).dtype
    return np.ma.masked_array(np.array(filled).astype(dtype), gone)


class Masked(np.ndarray):
    """An array with a mask that is no np.ma: as astropy has them."""

    @classmethod
    def of(cls, values):
        found = masked(values)
        array = np.asarray(found.data).view(cls)
        array.mask = np.ma.getmaskarray(found)
        return array


class Lazy:
    """A variable of a file: what ``__array__`` returns has a mask, which np.asarray drops."""

    def __init__(self, values):
        self.whole = masked(values)

    def __array__(self, dtype=None, copy=None):
        return self.whole


class LazyBesides(Lazy):
    """One that has the mask as an attribute."""

    @property
    def mask(self):
        return np.ma.getmaskarray(self.whole)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.whole)


class Variable:
    """A variable of a file that is read by an index alone, as those of scipy.io."""

    def __init__(self, values):
        self.whole = masked(values)
        self.shape = self.whole.shape

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        return self.whole[index]


class Interface:
    """The mask of NumPy's array interface: true where an element is there."""

    def __init__(self, values):
        self.whole = masked(values)

    @property
    def __array_interface__(self):
        there = ~np.ma.getmaskarray(self.whole)
        return {**np.asarray(self.whole).__array_interface__, "mask": there}


def pandas_series(dtype):
    return lambda values: library("pandas").Series(values, dtype=dtype)


def pandas_array(values):
    return library("pandas").array(values, dtype="Float64")


def pandas_category(values):
    return library("pandas").Series(values, dtype="category")


def pandas_pyarrow(dtype):
    def make(values):
        library("pyarrow")
        return library("pandas").Series(values, dtype=dtype)

    return make


def xarray_of_pandas(values):
    return library("xarray").DataArray(pandas_array(values), dims="x")


def polars_series(values):
    return library("polars").Series(values)


def arrow_array(values):
    return library("pyarrow").array(values)


def arrow_chunks(values):
    pa = library("pyarrow")
    kind = pa.array(values).type
    return pa.chunked_array([values[:1], values[1:]], type=kind)


def arrow_runs(values):
    pa = library("pyarrow")
    return pa.RunEndEncodedArray.from_arrays(list(range(1, len(values) + 1)), pa.array(values))


def arrow_dictionary(values):
    pa = library("pyarrow")
    return pa.DictionaryArray.from_arrays(list(range(len(values))), pa.array(values))


def arrow_half(values):
    pa = library("pyarrow")
    return pa.array([None if v is None else np.float16(v) for v in values], pa.float16())


def dask_chunks(values):
    da = library("dask.array")
    found = masked(values)
    return da.from_array(found, chunks=1)


def dask_rechunked(values):
    da = library("dask.array")
    whole = da.from_array(np.arange(len(values)), chunks=1)
    found = masked(values)
    return whole.map_blocks(lambda i: found[i], meta=np.empty(0, found.dtype)).rechunk(2)


def dask_column(dtype):
    def make(values):
        dd = library("dask.dataframe")
        return dd.from_pandas(library("pandas").Series(values, dtype=dtype), npartitions=2)

    return make


number = itertools.count()


def netcdf_variable(values):
    netCDF4 = library("netCDF4")
    found = masked(values)
    file = netCDF4.Dataset(f"{next(number)}.nc", "w", diskless=True)  # of its own name
    file.createDimension("x", len(values))
    variable = file.createVariable("v", found.dtype, ("x",), fill_value=-9.0)
    variable[:] = found
    return variable


def astropy_masked(values):
    found = masked(values)
    units = library("astropy.utils.masked")
    return units.Masked(np.asarray(found), mask=np.ma.getmaskarray(found))


FLOATS = {
    "masked array": masked,
    "nan under the mask": lambda v: masked(v, np.nan),
    "subclass of masked array": lambda v: masked(v).view(type("Sub", (np.ma.MaskedArray,), {})),
    "subclass with a mask": Masked.of,
    "__array__ with a mask": Lazy,
    "__array__ and a mask": LazyBesides,
    "variable of a file": Variable,
    "array interface": Interface,
    "list": list,
    "tuple": tuple,
    "list of masked": lambda v: [np.ma.masked if x is None else x for x in v],
    "list of 0-d masked arrays": lambda v: [masked(v)[i : i + 1].reshape(()) for i in range(3)],
    "UserList": collections.UserList,
    "deque": collections.deque,
    "objects": lambda v: np.array(v, object),
    "masked objects": lambda v: np.ma.masked_array(np.array(v, object), [x is None for x in v]),
    "pandas NA": lambda v: [library("pandas").NA if x is None else x for x in v],
    "pandas NaT": lambda v: [library("pandas").NaT if x is None else x for x in v],
    "pandas Float64": pandas_series("Float64"),
    "pandas array": pandas_array,
    "pandas index": lambda v: library("pandas").Index(v, dtype="Float64"),
    "pandas category": pandas_category,
    "pandas double[pyarrow]": pandas_pyarrow("double[pyarrow]"),
    "xarray of pandas": xarray_of_pandas,
    "polars": polars_series,
    "pyarrow": arrow_array,
    "pyarrow chunks": arrow_chunks,
    "pyarrow runs": arrow_runs,
    "pyarrow dictionary": arrow_dictionary,
    "pyarrow half": arrow_half,
    "dask chunks": dask_chunks,
    "dask rechunked": dask_rechunked,
    "dask Float64": dask_column("Float64"),
    "netCDF4": netcdf_variable,
    "astropy": astropy_masked,
}
INTEGERS = {
    "masked array": masked,
    "list": list,
    "pandas Int64": pandas_series("Int64"),
    "pandas int8[pyarrow]": pandas_pyarrow("int8[pyarrow]"),
    "polars": polars_series,
    "pyarrow": arrow_array,
    "dask UInt8": dask_column("UInt8"),
}
BOOLEANS = {
    "masked array": masked,
    "list": list,
    "pandas boolean": pandas_series("boolean"),
    "pandas objects": pandas_series(object),
    "pandas bool[pyarrow]": pandas_pyarrow("bool[pyarrow]"),
    "polars": polars_series,
    "pyarrow": arrow_array,
    "dask boolean": dask_column("boolean"),
}

KINDS = [
    pytest.param(make, values, id=f"{name}-{type(values[0]).__name__}")
    for kinds, values in (
        (FLOATS, [0.25, 0.5, 0.75]),
        (INTEGERS, [1, 0, 1]),
        (BOOLEANS, [True, False, True]),
    )
    for name, make in kinds.items()
]
