#!/usr/bin/env python3
"""Compares reel with its peers, side by side: every round runs each program once, in turn, so that a busy
machine troubles all of them alike; the figures are medians over the rounds, and ratios of them.

    bench/run.py --programs build/release/bench [--rounds 5] [--threads 1,2] [--quick] [--json FILE]

A peer that is not installed is named and left out."""
import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS = [(64, 1, 64, 64), (64, 16, 64, 64), (64, 32, 128, 128), (100, 32, 256, 256), (35, 20, 650, 650),
        (64, 64, 512, 512), (1000, 1, 32, 32)]
QUICK_ROWS = [(64, 16, 64, 64), (100, 32, 256, 256)]
# reel's cell → the peers that compute the same
CELLS = {"naive-lstm": ["naive-lstm", "nn.LSTM"], "lstm": ["lstm", "nn.LSTM"], "gru": ["nn.GRU"], "rnn": ["nn.RNN"]}
PEER_NAMES = {"naive-lstm": "torch eager", "lstm": "torch eager"}


def environment(threads):
    return dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))


def run(command, threads):
    done = subprocess.run(command, env=environment(threads), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def repeats(row, seconds=0.6):
    """How often to repeat inside a round: small steps often, large ones at least three times."""
    steps, batch, inputs, hidden = row
    flops = 6.0 * steps * batch * 4 * hidden * (inputs + hidden)
    return max(3, min(50, int(seconds / (flops / 5e10 + steps * 2e-5))))


def compare(programs, cell, peers, row, threads, rounds):
    arguments = [*map(str, row), str(threads), str(repeats(row))]
    commands = {"reel": [str(programs / "step"), cell, *arguments]}
    for peer in peers:
        commands[PEER_NAMES.get(peer, peer)] = [sys.executable, str(HERE / "peers/torch_step.py"), peer, *arguments]
    times = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(run(command, threads)["ms"])
    return {name: {"ms": statistics.median(t), "min": min(t), "max": max(t)} for name, t in times.items()}


def print_row(cell, row, threads, result):
    reel = result["reel"]["ms"]
    parts = [f"{cell:<11}{','.join(map(str, row)):>18} {threads} thread{'s' if threads > 1 else ' '} reel {reel:9.2f} ms "
             f"({result['reel']['min']:.2f}–{result['reel']['max']:.2f})"]
    parts += [f"{name} {r['ms']:9.2f} ms = {r['ms'] / reel:5.2f}×" for name, r in result.items() if name != "reel"]
    print(" | ".join(parts), flush=True)


def cpu_name():
    try:
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch = importlib.util.find_spec("torch") is not None
    print(f"machine: {cpu_name()}, {os.cpu_count()} cores")
    if not torch:
        print("peer missing: PyTorch (pip install torch); its columns are left out")
    record = run([str(options.programs / "record")], 1)
    print("recording, ns a node (goal 60): " + ", ".join(f"{k[:-3]} {v}" for k, v in record.items() if k.endswith("_ns"))
          + f"; {record['node_bytes']} bytes a node", flush=True)
    print("a training step, T,B,I,H; × is how much faster reel is:")
    results = []
    for threads in map(int, options.threads.split(",")):
        for row in QUICK_ROWS if options.quick else ROWS:
            for cell, peers in CELLS.items():
                if options.quick and cell not in ("naive-lstm", "lstm"):
                    continue
                result = compare(options.programs, cell, peers if torch else [], row, threads, options.rounds)
                print_row(cell, row, threads, result)
                results.append({"cell": cell, "row": row, "threads": threads, "result": result})
    if options.json:
        options.json.write_text(json.dumps({"machine": cpu_name(), "record": record, "rows": results}, indent=1))


main()
