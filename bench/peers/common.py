"""What the peers share: the numbers everybody starts from, timing, and the conversation with bench/run.py.

A peer is called as a program of bench/ is, with the name of a task before the arguments,
    torch_peer.py step nn.LSTM 64 16 64 64 1 0.3
or as `torch_peer.py serve`; then each line it reads is such a call, and each is answered by one line of
JSON. Serving keeps imports and compilation out of the rounds, and what was built for one call is kept for
the next."""
import json
import statistics
import sys
import time
import traceback

import numpy as np


def fill(name, shape, scale):
    """bench_fill of bench/support.c."""
    start = 2166136261
    for byte in name.encode():
        start = (start ^ byte) * 16777619 % 2**32
    with np.errstate(over="ignore"):
        z = np.uint32(start) + np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint32) * np.uint32(0x9E3779B1)
        z = (z ^ z >> np.uint32(16)) * np.uint32(0x85EBCA6B)
        z = (z ^ z >> np.uint32(13)) * np.uint32(0xC2B2AE35)
        z ^= z >> np.uint32(16)
    return (((z >> np.uint32(8)) * 2.0**-23 - 1) * scale).astype(np.float32).reshape(shape)


CENTRES = {"gain": 1, "gain_x": 1, "gain_h": 1, "gain_c": 1, "period": 3, "open": np.float32(0.3)}


def weights(shapes, hidden):
    """{name: shape} → {name: numbers}, as bench/cells.c makes them."""
    return {name: fill(name, shape, 1 if name in ("x", "memory") else hidden**-0.5) + CENTRES.get(name, 0)
            for name, shape in shapes.items()}


def measure(step, seconds):
    """Milliseconds of steps: as bench_measure of bench/support.c."""
    def once():
        start = time.perf_counter()
        step()
        return (time.perf_counter() - start) * 1e3

    first = once()
    if seconds <= 0:
        return {"ms": first, "first": first}
    times, end = [], time.perf_counter() + seconds
    while len(times) < (1 if first > 500 else 2) or (len(times) < 2000 and time.perf_counter() < end):
        times.append(once())
    return {"ms": statistics.median(times), "min": min(times), "max": max(times), "first": first}


def numbers(words):
    """CELL STEPS BATCH INPUT HIDDEN THREADS SECONDS → cell, (steps, …), threads, seconds"""
    return words[0], tuple(map(int, words[1:5])), int(words[5]), float(words[6])


def main(tasks):
    """tasks: {name: function of the remaining words that returns a dictionary}"""
    if sys.argv[1:] != ["serve"]:
        print(json.dumps(tasks[sys.argv[1]](sys.argv[2:])), flush=True)
        return
    for line in sys.stdin:
        name, *words = line.split()
        try:
            answer = tasks[name](words)
        except Exception:  # told to whoever asked; the next line may fare better
            answer = {"error": traceback.format_exc(limit=3)}
        print(json.dumps(answer), flush=True)
