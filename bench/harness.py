"""Runs programs and peers side by side: pinned to as many cores as they have threads, and in turn, so that a
busy machine troubles all of them alike."""
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# peer → the modules it needs, and where they come from
PEERS = {"torch": (["torch", "numpy"], "pip install torch"), "jax": (["jax", "numpy"], "pip install jax"),
         "onnx": (["onnxruntime", "onnx", "numpy"], "pip install onnx onnxruntime"),
         "safetensors": (["safetensors", "numpy"], "pip install safetensors"),
         "keras": (["keras", "tensorflow", "torch", "numpy"], "pip install keras tensorflow-cpu torch")}
DRIVERS = {"kann": "kann_step.c", "dynet": "dynet_step.cpp"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Failure(Exception):
    """A program or a peer did not answer; the text says what it said instead."""


@dataclass
class Result:
    """Medians of the rounds."""
    ms: float
    least: float
    most: float
    answer: dict  # of the last round

    @property
    def spread(self):
        return f"{number(self.least)}–{number(self.most)}"


def number(x):
    return f"{x:.0f}" if x >= 1000 else f"{x:.3g}" if x < 1 else f"{x:.1f}" if x >= 100 else f"{x:.2f}"


def cores(threads):
    """The last ones: interrupts like the first."""
    return sorted(os.sched_getaffinity(0))[-threads:] if hasattr(os, "sched_getaffinity") else []


def pinned(threads):
    chosen = cores(threads)
    return (lambda: os.sched_setaffinity(0, chosen)) if chosen else None


def idle_and_total():
    """Of all cores' time so far; None where the system does not tell."""
    try:
        with open("/proc/stat") as lines:
            spent = [int(word) for word in lines.readline().split()[1:]]
    except OSError:
        return None
    return spent[3] + spent[4], sum(spent)


def environment(threads):
    flags = "--xla_cpu_multi_thread_eigen=" + ("false" if threads == 1 else "true")
    return dict(os.environ, **{name: str(threads) for name in THREAD_VARIABLES},
                PYTHONDONTWRITEBYTECODE="1",
                XLA_FLAGS=(os.environ.get("XLA_FLAGS", "") + " " + flags).strip(), JAX_PLATFORMS="cpu")


class Harness:
    def __init__(self, programs, rounds, seconds, checkouts):
        self.programs, self.rounds, self.seconds = Path(programs), rounds, seconds
        self.servers, self.log, self.failures, self.disagreements = {}, [], [], []
        self.versions, self.missing, self.drivers, self.busy = {}, [], {}, False
        for peer, (modules, remedy) in PEERS.items():
            if not all(importlib.util.find_spec(m) for m in modules):
                self.missing.append((peer, f"{' or '.join(modules)} is not installed: {remedy}"))
        for peer in DRIVERS:
            self.compile_driver(peer, checkouts.get(peer))

    # ---- peers ----------------------------------------------------------------------------------

    def has(self, who):
        return who in self.drivers or (who in PEERS and who not in dict(self.missing))

    def compile_driver(self, peer, checkout):
        if not checkout:
            self.missing.append((peer, f"its checkout was not named: --{peer} DIR"))
            return
        out = self.programs / f"{peer}_step"
        done = subprocess.run([HERE / "peers/compile_driver", peer, checkout, out], capture_output=True, text=True)
        if done.returncode:
            self.missing.append((peer, "its driver does not compile: " + done.stderr.strip()[-600:]))
        else:
            self.drivers[peer] = str(out)

    def server(self, peer, threads):
        if (peer, threads) not in self.servers:
            self.servers[peer, threads] = subprocess.Popen(
                [sys.executable, HERE / f"peers/{peer}_peer.py", "serve"], text=True, env=environment(threads),
                preexec_fn=pinned(threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return self.servers[peer, threads]

    def close(self):
        for server in self.servers.values():
            server.stdin.close()
            server.wait()
        self.servers = {}

    def is_machine_busy(self, seconds=0.5):
        """Do others use more than a tenth of it?"""
        before = idle_and_total()
        time.sleep(seconds)
        after = idle_and_total()
        return before is not None and after[0] - before[0] < 0.9 * (after[1] - before[1])

    # ---- one call -------------------------------------------------------------------------------

    def ask_server(self, peer, words, threads):
        server = self.server(peer, threads)
        try:
            print(*words, file=server.stdin, flush=True)
            line = server.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            del self.servers[peer, threads]
            raise Failure(f"{peer} ended without an answer")
        answer = json.loads(line)
        if "version" in answer:
            self.versions[peer] = answer["version"]
        if "error" in answer:
            raise Failure(answer["error"].strip().splitlines()[-1])
        return answer

    def run_program(self, who, words, threads):
        program = self.drivers.get(who) or self.programs / who
        try:
            done = subprocess.run([program, *words], env=environment(threads), preexec_fn=pinned(threads),
                                  capture_output=True, text=True)
        except OSError as error:
            raise Failure(str(error)) from None
        if done.returncode:
            raise Failure(done.stderr.strip() or f"ended with {done.returncode}")
        return json.loads(done.stdout)

    def ask(self, who, words, threads):
        """Peers' first word is their task, programs have only one."""
        words = [str(w) for w in words]
        if who in PEERS:
            return self.ask_server(who, words, threads)
        return self.run_program(who, words, threads)

    def ask_fresh(self, who, words, threads):
        """The answer of a process of its own, and the seconds from its start to there."""
        words = [str(w) for w in words]
        command = ([sys.executable, HERE / f"peers/{who}_peer.py", *words] if who in PEERS else
                   [self.programs / who, *words[1:]])
        start = time.perf_counter()
        with subprocess.Popen(command, env=environment(threads), preexec_fn=pinned(threads), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            line = process.stdout.readline()
            elapsed = time.perf_counter() - start
        if not line:
            raise Failure(f"{who} ended without an answer")
        return json.loads(line), elapsed

    def call(self, who, task, cell, row, threads, *options, seconds=None):
        seconds = self.seconds if seconds is None else seconds
        words = [cell, *row, threads, seconds, *options]
        return self.ask(who, [task, *words] if who in PEERS else words, threads)

    # ---- rounds ---------------------------------------------------------------------------------

    def compare(self, contenders, row, threads, task="step", rounds=None, seconds=None, agree=None):
        """contenders: {label: (who, cell, option …)} → {label: Result}, those left out that are missing or fail. agree:
        groups of labels that must find the same; None is one group of all."""
        times, answers, failed = {label: [] for label in contenders}, {}, set()
        absent = {label for label, (who, *_) in contenders.items() if who in PEERS | DRIVERS and not self.has(who)}
        for _ in range(rounds or self.rounds):
            for label, (who, cell, *options) in contenders.items():
                if label in absent | failed:
                    continue
                try:
                    answers[label] = self.call(who, task, cell, row, threads, *options, seconds=seconds)
                    times[label].append(answers[label]["ms"])
                except Failure as failure:
                    failed.add(label)
                    self.failures.append(f"{label} at {row}, {threads} threads: {failure}")
        results = {label: Result(statistics.median(t), min(t), max(t), answers[label])
                   for label, t in times.items() if t}
        self.log.append({"task": task, "row": row, "threads": threads, "results": {
            label: {"ms": r.ms, "min": r.least, "max": r.most, "answer": r.answer} for label, r in results.items()}})
        for group in agree or [list(results)]:
            self.note_disagreements({label: results[label] for label in group if label in results}, row, threads)
        return results

    def note_disagreements(self, results, row, threads, tolerance=1e-3):
        said = {label: r.answer for label, r in results.items() if "d_x" in r.answer or "loss" in r.answer}
        for label, answer in said.items():
            reference = next(iter(said.values()))
            for key in answer.keys() & reference.keys() & {"loss", "d_weights", "d_x"}:
                if abs(answer[key] - reference[key]) > tolerance * abs(reference[key]):
                    self.disagreements.append(f"{label} at {row}, {threads} threads: {key} {answer[key]:.6g}, "
                                              f"not {reference[key]:.6g}")


def have(program):
    return shutil.which(program) is not None
