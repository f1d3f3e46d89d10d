"""A client of the scoring service: checks every answer, and prints percentiles of the latency."""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time

import numpy as np

import bcelogits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--logits", type=int, default=8, help="pairs in a request")
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    connection = http.client.HTTPConnection(arguments.host, arguments.port, timeout=30)
    latencies = np.empty(arguments.requests)
    for i in range(arguments.requests):
        logits = rng.normal(0, 3, arguments.logits)
        labels = rng.integers(0, 2, arguments.logits)
        start = time.perf_counter()
        body = json.dumps({"logits": logits.tolist(), "labels": labels.tolist()})
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        latencies[i] = time.perf_counter() - start
        if response.status != 200:
            sys.exit(f"client: {response.status}: {answer['error']}")
        # JSON keeps every bit of a double.
        expected = {
            "probabilities": bcelogits.sigmoid(logits).tolist(),
            "losses": bcelogits.binary_cross_entropy_with_logits(
                logits, labels, reduction="none"
            ).tolist(),
            "mean_loss": float(bcelogits.binary_cross_entropy_with_logits(logits, labels)),
        }
        if answer != expected:
            sys.exit(f"client: request {i} was answered wrongly: {answer}, not {expected}")
    p50, p99 = np.percentile(latencies, [50, 99]) * 1e6
    print(
        f"{arguments.requests} requests of {arguments.logits} pairs: "
        f"p50 {p50:.0f} us, p99 {p99:.0f} us"
    )


if __name__ == "__main__":
    main()
