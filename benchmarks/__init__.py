"""Measure the speed of bcelogits beside what else computes this loss: `python -m benchmarks`.

One thread each, unless a case says otherwise: these variables are read when the libraries are
imported, so they are set here, before anything else.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["BCELOGITS_NUM_THREADS"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
