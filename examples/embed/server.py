"""A scoring service: answers logits, and labels if it has them, with probabilities and losses.

    POST /score  {"logits": [0.3, -2], "labels": [1, 0]}
    200          {"probabilities": [...], "losses": [...], "mean_loss": ...}
    400          {"error": "..."}

Without labels the answer has probabilities alone. Standard library and bcelogits, no more.
"""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

import bcelogits

MOST_BYTES = 1 << 20


def score(request: Any) -> dict[str, Any]:
    """Return the answer to a request; ValueError says what is wrong with one."""
    if not isinstance(request, dict) or "logits" not in request:
        raise ValueError('a request is {"logits": [...], "labels": [...]}')
    if unknown := request.keys() - {"logits", "labels"}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    logits = numbers(request, "logits")
    answer = {"probabilities": bcelogits.sigmoid(logits).tolist()}
    if "labels" in request:
        labels = numbers(request, "labels")
        losses = bcelogits.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        answer["losses"] = losses.tolist()
        answer["mean_loss"] = float(bcelogits.binary_cross_entropy_with_logits(logits, labels))
    return answer


def numbers(request: dict[str, Any], name: str) -> np.ndarray:
    values = request[name]
    is_numbers = isinstance(values, list) and all(type(v) in (int, float) for v in values)
    if not is_numbers or not values:
        raise ValueError(f"{name} is not a list of numbers")
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:
        array = np.array([np.inf])
    if not np.isfinite(array).all():
        raise ValueError(f"{name} are not all finite")
    return array


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # a connection stays open for the next request
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def do_POST(self) -> None:
        if self.path != "/score":
            return self.answer(404, {"error": "POST to /score"})
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True  # what follows is not read
            return self.answer(413, {"error": f"send 0 to {MOST_BYTES} bytes, and say how many"})
        try:
            answer = score(json.loads(self.rfile.read(int(length))))
        except (ValueError, RecursionError) as error:
            return self.answer(400, {"error": str(error)})
        return self.answer(200, answer)

    def answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: a line for each request would be most of the work."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8321, help="0 takes a free one")
    arguments = parser.parse_args()
    with ThreadingHTTPServer((arguments.host, arguments.port), Handler) as server:
        server.daemon_threads = True
        print(f"listening on {server.server_address[0]}:{server.server_address[1]}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
