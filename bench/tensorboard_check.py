#!/usr/bin/env python3
"""Event files of reel_tensorboard as TensorBoard reads them:

    bench/tensorboard_check.py [--program build/release/tests/tools/write_events]

Trains a sequential and a functional model, loads their logs with TensorBoard's own reader, and compares
scalars with what the program printed; prints what histograms and graphs there are. Exit status 1 where
something is missing or a graph names what it does not have.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

EVERYTHING = {"scalars": 0, "histograms": 0, "graph": 1}
problems = []


def check(good, text):
    if not good:
        problems.append(text)


def load(folder):
    events = EventAccumulator(folder, size_guidance=EVERYTHING)
    events.Reload()
    return events


def check_scalars(model, series, train, validation):
    worst = 0
    for name, values in series.items():
        events = validation if name.startswith("val_") else train
        tag = "epoch_" + name.removeprefix("val_")
        read = [s.value for s in events.Scalars(tag)]
        check(len(read) == len(values), f"{model}: {len(read)} values of {name}, expected {len(values)}")
        worst = max([worst] + [abs(a - b) / max(1e-9, abs(b)) for a, b in zip(read, values)])
    check(worst < 1e-6, f"{model}: a scalar is off by {worst:g}")
    return worst


def check_graph(model, graph):
    names = {n.name for n in graph.node}
    check(len(names) == len(graph.node), f"{model}: two nodes of one name")
    for n in graph.node:
        for i in n.input:
            check(i.lstrip("^") in names, f"{model}: {n.name} reads {i}, which is no node")
    groups = collections.Counter(n.name.split("/")[0] for n in graph.node if "/" in n.name)
    return len(graph.node), sum(len(n.input) for n in graph.node), dict(groups)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/release/tests/tools/write_events")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run([options.program, folder], check=True, stdout=subprocess.PIPE, text=True).stdout
        series = collections.defaultdict(dict)
        for line in printed.splitlines():
            model, name, *values = line.split()
            series[model][name] = [float(v) for v in values]
        for model in series:
            train = load(f"{folder}/{model}/train")
            validation = load(f"{folder}/{model}/validation")
            worst = check_scalars(model, series[model], train, validation)
            nodes, edges, groups = check_graph(model, train.Graph())
            histograms = train.Tags()["histograms"]
            check(len(histograms) >= 4, f"{model}: histograms are {histograms}")
            print(f"{model}: {len(series[model])} scalars, largest relative difference {worst:.1g}; "
                  f"{len(histograms)} histograms; graph of {nodes} nodes, {edges} edges, groups {groups or 'none'}")
    for p in problems:
        print("PROBLEM:", p)
    return bool(problems)


sys.exit(main())
