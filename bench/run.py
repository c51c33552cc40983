#!/usr/bin/env python3
"""Compares reel with its peers and with its targets, side by side: every round runs each program once, in
turn, and the figures are medians over the rounds. docs/performance.md tells the method.

A peer that is not installed is named and left out."""
import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.dont_write_bytecode = True  # what is imported from here on lies in the source tree

import report
from harness import DRIVERS, Failure, Harness
from targets import CUSTOM, GRU, LSTM, QUICK_ROWS, RNN, ROWS, TARGETS, Plan, Verdict

ROOT = Path(__file__).resolve().parent.parent


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="where bench's programs were built")
    parser.add_argument("--quick", action="store_true", help="few rows, short rounds")
    parser.add_argument("--targets", default="", metavar="1,4",
                        help="only these; 8: start-up and inference, 9: a program of Keras's, 11: optimisers, "
                        "12: files and deployment (all)")
    parser.add_argument("--rounds", type=int, help="3; with --quick 2")
    parser.add_argument("--threads", default="1,2", metavar="N,N", help="(1,2)")
    parser.add_argument("--check", action="store_true", help="only whether all compute the same losses and gradients")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures (bench.json beside the programs)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="FILE.png, FILE.svg (bench beside the programs)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    for peer in DRIVERS:
        parser.add_argument(f"--{peer}", type=Path, metavar="DIR", help=f"a built checkout of {peer}")
    options = parser.parse_args()
    options.targets = [int(t) for t in options.targets.split(",") if t] or list(TARGETS)
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"there is no target {unknown.pop()}; there are {', '.join(map(str, TARGETS))}")
    options.threads = [int(t) for t in options.threads.split(",")]
    options.rounds = options.rounds or (2 if options.quick else 3)
    return options


def check(bench, threads):
    """One small row: do all agree on the loss and on the gradients' norms?"""
    row, fine = (12, 4, 20, 24), True
    groups = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}
    groups |= {title: {"reel": ("step", cell), "eager": ("torch", cell)} for title, cell in CUSTOM.items()}
    for title, contenders in groups.items():
        results = bench.compare(contenders, row, threads, rounds=1, seconds=0)
        results = {label: r.answer for label, r in results.items() if "d_x" in r.answer}
        if not results:
            continue
        reference = next(iter(results.values()))
        for label, answer in results.items():
            apart = max(abs(answer[k] / reference[k] - 1) for k in ("loss", "d_weights", "d_x"))
            fine = fine and apart < 1e-4
            print(f"{title:<30} {label:<8} loss {answer['loss']:.8f}, ‖d weights‖ {answer['d_weights']:.8f}, "
                  f"‖d x‖ {answer['d_x']:.8f}, apart by {apart:.1e}{'' if apart < 1e-4 else ': TOO FAR'}")
    return fine and not bench.failures


def measure(bench, options):
    plan = Plan(QUICK_ROWS if options.quick else ROWS, options.threads, options.quick)
    sections, verdicts = [], []
    for target in options.targets:
        print(f"\n== {TARGETS[target].__name__} ({target} of {max(TARGETS)})", flush=True)
        try:
            new_sections, new_verdicts = TARGETS[target](bench, plan)
        except (Failure, KeyError) as failure:
            reason = bench.failures[-1] if isinstance(failure, KeyError) and bench.failures else str(failure)
            new_sections, new_verdicts = [], [Verdict(target, TARGETS[target].__name__, f"failed: {reason}", None)]
            bench.failures.append(f"target {target}: {reason}")
        for section in new_sections:
            report.print_section(section)
        report.print_verdicts(new_verdicts)
        sections += new_sections
        verdicts += new_verdicts
    return plan, sections, verdicts


def tell(bench, options, plan, sections, verdicts):
    about = report.machine(bench)
    complaints = list(dict.fromkeys(bench.failures + bench.disagreements))
    print("\n" + report.in_words(about))
    report.print_verdicts(verdicts)
    for complaint in complaints:
        print(f"failed or disagreed: {complaint}")
    met = sum(v.met is True for v in verdicts)
    print(f"{met} of {sum(v.met is not None for v in verdicts)} targets met")
    beside = options.programs / "bench"
    (options.json or beside.with_suffix(".json")).write_text(json.dumps(
        {"machine": about, "rounds": options.rounds, "verdicts": [asdict(v) for v in verdicts],
         "sections": [asdict(s) for s in sections], "comparisons": bench.log, "complaints": complaints}, indent=1))
    print(report.draw(options.picture or beside, plan.lstm))
    if options.write_docs:
        how = f"Medians of {options.rounds} rounds{', few rows (--quick)' if options.quick else ''}; times in ms."
        how += " Others used the machine at the time." if bench.busy else ""
        report.write_docs(ROOT / "docs/performance.md", report.markdown(about, how, sections, verdicts, complaints))
        print("wrote docs/performance.md; " + report.draw(ROOT / "docs/performance", plan.lstm))


def main():
    options = parse()
    bench = Harness(options.programs, options.rounds, 0.1 if options.quick else 0.3,
                    {peer: getattr(options, peer) for peer in DRIVERS})
    for peer, reason in bench.missing:
        print(f"peer missing: {peer}: {reason}")
    bench.busy = bench.is_machine_busy()
    if bench.busy:
        print("this machine is busy: rows with as many threads as cores will be off by far, see the spread")
    try:
        if options.check:
            fine = check(bench, options.threads[0])
            print("\n".join(bench.failures))
            sys.exit(not fine)
        tell(bench, options, *measure(bench, options))
    finally:
        bench.close()


main()
