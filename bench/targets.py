"""What is measured, target by target. Each function runs its comparisons and gives sections (tables) and
verdicts; TARGETS at the end lists them."""
from dataclasses import dataclass, field

from harness import PEERS, Failure, number

#        T, B, I, H
ROWS = [(64, 1, 64, 64), (64, 16, 64, 64), (64, 32, 128, 128), (100, 32, 256, 256), (35, 20, 650, 650),
        (64, 64, 512, 512), (1000, 1, 32, 32)]
QUICK_ROWS = [(64, 16, 64, 64), (100, 32, 256, 256)]
MIDDLE = (100, 32, 256, 256)
# label → who computes it, under which name
LSTM = {"naive": ("step", "naive-lstm"), "merged": ("step", "lstm"), "limit": ("limit", "lstm"),
        "nn.LSTM": ("torch", "nn.LSTM"), "JAX": ("jax", "lstm"), "kann": ("kann", "lstm"), "DyNet": ("dynet", "lstm")}
GRU = {"reel": ("step", "gru"), "nn.GRU": ("torch", "nn.GRU"), "JAX": ("jax", "gru")}
RNN = {"reel": ("step", "rnn"), "nn.RNN": ("torch", "nn.RNN"), "JAX": ("jax", "rnn")}
RIVALS = ("nn.LSTM", "nn.GRU", "nn.RNN", "JAX", "DyNet")
CUSTOM = {"peephole LSTM": "peephole", "LSTM, layer norm on the gates": "layer-norm", "minimal gated unit": "minimal",
          "LSTM attending to a memory": "attention", "LSTM in a plain C loop": "loop-lstm",
          "LSTM, four gates on [h, x]": "naive-lstm"}


@dataclass
class Section:
    title: str
    columns: list
    rows: list = field(default_factory=list)
    note: str = ""


@dataclass
class Verdict:
    target: int
    text: str
    figure: str
    met: bool | None  # None: not measured


@dataclass
class Plan:
    rows: list
    threads: list
    quick: bool
    lstm: dict = field(default_factory=dict)  # (row, threads) → results of LSTM, for targets 1 and 2


def name_of(row, threads=None):
    return ",".join(map(str, row)) + (f", {threads} thread{'s' if threads > 1 else ''}" if threads else "")


def verdict(target, text, figures, goal, at_least=True, unit="×"):
    """figures: {where: figure}; met where the worst of them is."""
    if not figures:
        return Verdict(target, text, "not measured", None)
    where = (min if at_least else max)(figures, key=figures.get)
    fine = [f >= goal if at_least else f <= goal for f in figures.values()]
    figure = f"{number(figures[where])}{unit}"
    if len(figures) > 1:
        figure = f"worst {figure} at {where}; {sum(fine)} of {len(figures)} rows"
    return Verdict(target, text, figure, all(fine))


def milliseconds(results, label):
    return f"{number(results[label].ms)} ({results[label].spread})" if label in results else "–"


def times(results, label, reference):
    """A peer's time, and how much faster than it the reference is."""
    if label not in results or reference not in results:
        return "–"
    return f"{number(results[label].ms)} = {results[label].ms / results[reference].ms:.2f}×"


def fastest_rival(results):
    return min((results[r].ms for r in RIVALS if r in results), default=None)


# ---- 1: against the vendors' layers ----------------------------------------------------------------

def lstm_results(bench, plan):
    for threads in plan.threads:
        for row in plan.rows:
            if (row, threads) not in plan.lstm:
                plan.lstm[row, threads] = bench.compare(LSTM, row, threads)
                print(f"  LSTM {name_of(row, threads)}: " + ", ".join(
                    f"{label} {number(r.ms)}" for label, r in plan.lstm[row, threads].items()), flush=True)
    return plan.lstm


def layer_section(bench, plan, title, contenders, results):
    peers = [label for label, (who, _) in contenders.items() if who in PEERS or bench.has(who)]
    own = [label for label, (who, _) in contenders.items() if who == "step"]
    section = Section(title, ["T,B,I,H", "threads", *(f"{o}, ms (spread)" for o in own), *peers])
    for (row, threads), r in results.items():
        section.rows.append([name_of(row), threads, *(milliseconds(r, o) for o in own),
                             *(times(r, peer, own[-1]) for peer in peers)])
    return section


def layers(bench, plan):
    lstm = lstm_results(bench, plan)
    others = {}
    for kind, contenders in (("GRU", GRU), ("RNN", RNN)):
        others[kind] = {(row, t): bench.compare(contenders, row, t) for t in plan.threads for row in plan.rows}
    sections = [layer_section(bench, plan, "LSTM; × is how much faster the merged form is", LSTM, lstm),
                layer_section(bench, plan, "GRU", GRU, others["GRU"]),
                layer_section(bench, plan, "RNN", RNN, others["RNN"])]
    verdicts = []
    for form in ("naive", "merged"):
        figures = {name_of(*where): fastest_rival(r) / r[form].ms for where, r in lstm.items()
                   if form in r and fastest_rival(r)}
        verdicts.append(verdict(1, f"LSTM, {form} form, ≥ 1.5× the fastest peer", figures, 1.5))
    apart = {name_of(*where): 100 * abs(r["naive"].ms / r["merged"].ms - 1) for where, r in lstm.items()
             if "naive" in r and "merged" in r}
    verdicts.append(verdict(1, "both forms within 10 %", apart, 10, at_least=False, unit=" %"))
    for kind, all_results in others.items():
        figures = {name_of(*where): fastest_rival(r) / r["reel"].ms for where, r in all_results.items()
                   if "reel" in r and fastest_rival(r)}
        verdicts.append(verdict(1, f"{kind} ≥ 1.5× the faster of nn.{kind} and JAX", figures, 1.5))
    return sections, verdicts


# ---- 2: against what could be ----------------------------------------------------------------------

def peak_of(bench, threads):
    """GF/s of a large square product, by whoever is best at it."""
    found = {}
    for _ in range(bench.rounds):
        try:
            rates = {f"{k}'s": v for k, v in bench.ask("peak", [threads], threads).items()}
            if bench.has("torch"):
                rates["torch.mm"] = bench.ask("torch", ["product", threads], threads)["gflops"]
        except Failure as failure:
            bench.failures.append(f"peak: {failure}")
            break
        found = {k: max(rate, found.get(k, 0)) for k, rate in rates.items()}
    return found


def limit(bench, plan):
    lstm = lstm_results(bench, plan)
    peaks = {threads: peak_of(bench, threads) for threads in plan.threads}
    section = Section("LSTM against the hand-written reference and the machine's sgemm",
                      ["T,B,I,H", "threads", "limit, ms (spread)", "its products", "naive: speed of the limit's",
                       "merged", "merged, GF/s", "of the peak"])
    of_limit, of_peak = {}, {}
    for (row, threads), r in lstm.items():
        peak = max(peaks[threads].values(), default=None)
        rate = r["merged"].answer["gflop"] * 1e3 / r["merged"].ms if "merged" in r else None
        share = {form: r["limit"].ms / r[form].ms for form in ("naive", "merged") if form in r and "limit" in r}
        of_limit |= {f"{name_of(row, threads)} ({form})": f for form, f in share.items()}
        if rate and peak and row[1] >= 16 and row[3] >= 128:
            of_peak[name_of(row, threads)] = 100 * rate / peak
        answer = r["limit"].answer if "limit" in r else {}
        section.rows.append([name_of(row), threads, milliseconds(r, "limit"),
                             f"{answer.get('recurrent', '–')}; {answer.get('large', '–')}",
                             *(f"{share[form]:.2f}" if form in share else "–" for form in ("naive", "merged")),
                             number(rate) if rate else "–", f"{100 * rate / peak:.0f} %" if rate and peak else "–"])
    section.note = "sgemm, GF/s: " + "; ".join(f"{t} thread{'s' if t > 1 else ''}: " + ", ".join(
        f"{k} {v:.0f}" for k, v in p.items()) for t, p in peaks.items())
    return [section], [verdict(2, "LSTM ≥ 0.85 of the hand-written reference's speed", of_limit, 0.85),
                       verdict(2, "whole step ≥ 75 % of the sgemm peak where B ≥ 16, H ≥ 128", of_peak, 75, unit=" %")]


# ---- 3: cells of one's own -------------------------------------------------------------------------

def custom(bench, plan):
    section = Section(f"cells of one's own, T,B,I,H = {name_of(MIDDLE)}",
                      ["cell", "threads", "reel, ms (spread)", "PyTorch eager", "GF/s", "of reel_lstm's"])
    contenders = {"plain": ("step", "lstm")}
    for title, cell in CUSTOM.items():
        contenders |= {title: ("step", cell), f"{title}, eager": ("torch", cell)}
    pairs = [(title, f"{title}, eager") for title in CUSTOM]
    faster, rates = {}, {}
    for threads in plan.threads[:1] if plan.quick else plan.threads:
        r = bench.compare(contenders, MIDDLE, threads, agree=pairs)
        rate = {label: of.answer["gflop"] * 1e3 / of.ms for label, of in r.items() if "gflop" in of.answer}
        for title, eager in pairs:
            where = f"{title}, {threads} thread{'s' if threads > 1 else ''}"
            if title in r and eager in r:
                faster[where] = r[eager].ms / r[title].ms
            if title in rate and "plain" in rate:
                rates[where] = rate[title] / rate["plain"]
            section.rows.append([title, threads, milliseconds(r, title), times(r, eager, title),
                                 number(rate[title]) if title in rate else "–",
                                 f"{rates[where]:.2f}" if where in rates else "–"])
    return [section], [verdict(3, "cells of one's own ≥ 2× PyTorch eager", faster, 2),
                       verdict(3, "their flop rate ≥ 0.7 of reel_lstm's", rates, 0.7, unit="")]


# ---- 4: overhead -----------------------------------------------------------------------------------

def nanoseconds_a_node(bench, section):
    """Of a step of tiny tensors beyond its arithmetic, which is what the hand-written reference needs; by the nodes of
    the forward pass, since the backward pass of a structure that was seen need not be recorded again."""
    row = (200, 1, 4, 4)
    r = bench.compare({"reel": ("step", "lstm"), "limit": ("limit", "lstm")}, row, 1)
    reel, answer = r["reel"].ms, r["reel"].answer
    figure = (reel - r["limit"].ms) * 1e6 / answer["recorded"]
    section.rows.append([f"a step seen before, {name_of(row)}: {answer['recorded']} nodes forward, {answer['nodes']} in all",
                         f"{number(reel)} ms, by hand {number(r['limit'].ms)} ms: {number(figure)} ns a node of the forward "
                         f"pass beyond arithmetic; {number(reel * 1e6 / answer['nodes'])} ns a node of all"])
    return figure


def first_step(bench, row):
    """Milliseconds that the first step takes longer than a later one."""
    extra = [a["first"] - a["ms"] for a in (bench.call("step", "step", "lstm", row, 1) for _ in range(bench.rounds))]
    return sorted(extra)[len(extra) // 2]


def slopes(bench, plan):
    """ns that one more time step costs, between lengths ten times apart."""
    lengths = [10, 100, 1000, 10000] + ([] if plan.quick else [100000])
    ms = {}
    for steps in lengths:
        r = bench.compare({"reel": ("step", "lstm")}, (steps, 1, 32, 32), 1, rounds=2 if steps > 10000 else None)
        ms[steps] = r["reel"].ms
    slope = {f"{a} to {b}": 1e6 * (ms[b] - ms[a]) / (b - a) for a, b in zip(lengths, lengths[1:])}
    return {steps: 1e6 * t / steps for steps, t in ms.items()}, slope


def overhead(bench, plan):
    section = Section("overhead, one thread", ["what", "figure"])
    per_node = nanoseconds_a_node(bench, section)
    record = bench.ask("record", [], 1)
    section.rows.append(["recording alone (goal 60 ns)", ", ".join(
        f"{k[:-3]} {v} ns" for k, v in record.items() if k.endswith("_ns")) + f"; {record['node_bytes']} bytes a node"])
    verdicts = [verdict(4, "a step seen before, beyond arithmetic, ≤ 100 ns a recorded node", {"": per_node}, 100, False,
                        " ns")]
    for row, goal in ((MIDDLE, 50), ((1000, 1, 32, 32), 200)):
        ms = first_step(bench, row)
        section.rows.append([f"planning: first step less a later one, {name_of(row)}", f"{number(ms)} ms"])
        verdicts.append(verdict(4, f"planning T = {row[0]} ≤ {goal} ms", {"": ms}, goal, False, " ms"))
    per_step, slope = slopes(bench, plan)
    section.rows += [[f"a time step of T = {steps}, B 1, H 32", f"{number(ns)} ns"] for steps, ns in per_step.items()]
    section.rows += [[f"one more time step from T = {k}", f"{number(ns)} ns"] for k, ns in slope.items()]
    middle = sorted(slope.values())[len(slope) // 2]
    verdicts.append(verdict(4, f"linear in T from 10 to {max(per_step)}: slopes within 10 %",
                            {f"T = {k}": 100 * abs(ns / middle - 1) for k, ns in slope.items()}, 10, False, " %"))
    lengths = bench.call("lengths", "", "lstm", (64, 16, 64, 64), 1)
    section.rows.append(["eight lengths in turn, from 32 to 64, B 16, H 64",
                         f"{number(lengths['ms'] * 1e3)} µs a time step; of constant length "
                         f"{number(lengths['constant_ms'] * 1e3)} µs: {lengths['ms'] / lengths['constant_ms']:.2f}×"])
    return [section], verdicts


# ---- 5: memory -------------------------------------------------------------------------------------

def megabytes(n):
    return f"{n / 1e6:.1f} MB"


def against_reserve(bench, plan):
    section = Section("memory of an LSTM's training step", [
        "T,B,I,H", "reel's peak", "and its parameters, gradients", "nn.LSTM keeps for backward", "and its weights",
        "nn.LSTM: growth of peak RSS", "reel's peak / kept + weights"])
    figures = {}
    for row in plan.rows:
        own = bench.call("step", "step", "lstm", row, 1, seconds=0)
        peer = bench.ask_fresh("torch", ["memory", "nn.LSTM", *row, 1, 0], 1)[0] if bench.has("torch") else None
        figure = own["peak_bytes"] / (peer["saved"] + peer["weights"]) if peer else None
        if peer:
            figures[name_of(row)] = figure
        section.rows.append([name_of(row), megabytes(own["peak_bytes"]), megabytes(8 * own["parameters"]),
                             *((megabytes(peer[k]) for k in ("saved", "weights", "grown")) if peer else "–––"),
                             f"{figure:.2f}" if peer else "–"])
    section.note = ("kept for backward: the bytes of all tensors that autograd saved (oneDNN's workspace, the input, "
                    "the outputs); reel's peak: bytes_peak, the values alive at one time, gradients on their way "
                    "included")
    return section, verdict(5, "reel's peak ≤ nn.LSTM's reserve and weights", figures, 1, at_least=False)


def under_a_limit(bench, plan):
    row = (10000 if plan.quick else 100000, 1, 64, 64)
    section = Section(f"an LSTM of {name_of(row)} under memory_limit", ["memory", "step, ms", "peak"])
    free = bench.call("step", "step", "lstm", row, 1)
    section.rows.append(["without a limit", number(free["ms"]), megabytes(free["peak_bytes"])])
    allowed = free["peak_bytes"] // 10
    text = f"T = {row[0]} in 10 % of the memory at ≤ 1.5× the time"
    try:
        limited = bench.call("step", "step", "lstm", row, 1, f"limit={allowed}")
    except Failure as failure:
        section.rows.append([f"limit {megabytes(allowed)}", "fails", f"“{failure}”"])
        return section, Verdict(5, text, f"fails: {failure}", False)
    section.rows.append([f"limit {megabytes(allowed)}", number(limited["ms"]), megabytes(limited["peak_bytes"])])
    return section, verdict(5, text, {"": limited["ms"] / free["ms"]}, 1.5, at_least=False)


def memory(bench, plan):
    return map(list, zip(against_reserve(bench, plan), under_a_limit(bench, plan)))


# ---- 6: a model and a check ------------------------------------------------------------------------

def model(bench, plan):
    section = Section("the character model of examples/char_lm (T 100, B 32, embedding 64, two LSTMs of 256)",
                      ["threads", "reel, tokens/s", "PyTorch, nn.LSTM, tokens/s", "reel is faster by"])
    faster = {}
    for threads in plan.threads:
        r = bench.compare({"reel": ("language", "lstm"), "PyTorch": ("torch", "lstm")}, (100, 32, 64, 256), threads,
                          task="language")
        rate = {k: 3200e3 / v.ms for k, v in r.items()}
        if len(rate) == 2:
            faster[f"{threads} threads"] = rate["reel"] / rate["PyTorch"]
        section.rows.append([threads, *(f"{rate[k]:.0f}" if k in rate else "–" for k in ("reel", "PyTorch")),
                             f"{faster[f'{threads} threads']:.2f}×" if len(rate) == 2 else "–"])
    r = bench.compare({"reel": ("gradcheck", "lstm"), "PyTorch": ("torch", "lstm")}, (6, 2, 5, 7), 1, task="gradcheck")
    check = Section("gradient check of an LSTM, f64: 6 steps, 5 inputs, 7 hidden, batch 2, 424 numbers",
                    ["who", "ms (spread)", "the first one, ms"])
    check.rows += [[k, f"{number(v.ms)} ({v.spread})", number(v.answer["first"])] for k, v in r.items()]
    return [section, check], [
        verdict(6, "character model ≥ 2× PyTorch's tokens a second", faster, 2),
        verdict(6, "gradient check ≤ 20 ms", {"": r["reel"].ms} if "reel" in r else {}, 20, False, " ms")]


# ---- 7: f64 ----------------------------------------------------------------------------------------

def double(bench, plan):
    section = Section("LSTM in f64, one thread",
                      ["T,B,I,H", "f32, ms (spread)", "f64, ms (spread)", "f64's speed of f32's"])
    figures = {}
    for row in plan.rows:
        r = bench.compare({"f32": ("step", "lstm"), "f64": ("step", "lstm", "f64")}, row, 1)
        if len(r) == 2:
            figures[name_of(row)] = r["f32"].ms / r["f64"].ms
        section.rows.append([name_of(row), milliseconds(r, "f32"), milliseconds(r, "f64"),
                             f"{figures[name_of(row)]:.2f}" if len(r) == 2 else "–"])
    return [section], [verdict(7, "f64 ≥ 0.45 of f32's speed", figures, 0.45, unit="")]


# ---- 9: a whole program ------------------------------------------------------------------------------

def program(bench, plan):
    epochs, threads = 5 if plan.quick else 50, max(plan.threads)
    section = Section(f"LSTM(64), Dense(32), Dense(1) on 2,000 rows of 50 steps and 8 features: {epochs} epochs, "
                      f"{threads} threads", ["who", "an epoch, ms", "the whole program, s"])
    found = {}
    for label, who, task in (("reel", "keras_program", ""), ("PyTorch, by hand", "keras", "torch"),
                             ("Keras 3, TensorFlow", "keras", "keras")):
        if who in PEERS and not bench.has(who):
            continue
        try:
            found[label] = bench.ask_fresh(who, [task, epochs, 2000, 50, 8, threads], threads)
        except Failure as failure:
            bench.failures.append(f"{label}: {failure}")
            continue
        answer, seconds = found[label]
        section.rows.append([label, number(answer["ms"]), f"{seconds:.2f}"])
    rivals = {label: of for label, of in found.items() if label != "reel"}
    if not rivals or "reel" not in found:
        return [section], []
    answer, seconds = found["reel"]
    verdicts = [verdict(9, "an epoch ≥ 3× faster", {k: a["ms"] / answer["ms"] for k, (a, _) in rivals.items()}, 3),
                verdict(9, "the whole program ≥ 10× faster", {k: s / seconds for k, (_, s) in rivals.items()}, 10)]
    if theirs := rivals.get("PyTorch, by hand"):
        verdicts.append(same_curve(bench, [epochs, 2000, 50, 8, threads], answer["losses"], theirs[0]["losses"]))
    return [section], verdicts


def same_curve(bench, arguments, ours, theirs):
    """Judged in f64: in f32 two sums in another order are two trajectories after enough epochs, so that figure
    stands beside it, with how long the two stay together."""
    def apart(a, b):
        return [abs(x / y - 1) for x, y in zip(a, b)]

    text, single = "the loss of every epoch is PyTorch's to 1e-4, in f64", apart(ours, theirs)
    together = next((e for e, d in enumerate(single) if d > 1e-4), len(single))
    beside = f"in f32 {max(single):.1e}, below 1e-4 for {together} epochs"
    try:
        double = apart(*(bench.ask_fresh(who, [task, *arguments, "f64"], arguments[-1])[0]["losses"]
                         for who, task in (("keras_program", ""), ("keras", "torch"))))
    except Failure as failure:
        bench.failures.append(f"f64: {failure}")
        return Verdict(9, text, f"not measured; {beside}", None)
    return Verdict(9, text, f"{max(double):.1e}; {beside}", max(double) <= 1e-4)


# ---- 10: structure, sequence losses, decoding -------------------------------------------------------------

STRUCTURE = {"both directions": "bidirectional", "two layers": "two-layers", "lengths": "lengths",
             "variational dropout": "variational"}


LIBRARY_CELLS = ("peephole-lstm", "projected-lstm", "norm-lstm", "norm-gru", "coupled-lstm", "multiplicative-lstm",
                 "phased-lstm", "slstm", "mlstm", "mgu", "indrnn", "clockwork", "conv-lstm", "tree-lstm", "sru", "qrnn",
                 "mingru", "minlstm", "lru")


def library_cells(bench, threads):
    """The cells of layers/cells.h beside the same equations in PyTorch's eager mode."""
    section = Section(f"the library's cells, T,B,I,H = {name_of(MIDDLE, threads)}",
                      ["cell", "reel, ms (spread)", "GF/s of its products", "PyTorch eager"])
    figures = {}
    for cell in LIBRARY_CELLS:
        r = bench.compare({"reel": ("step", cell), "eager": ("torch", cell)}, MIDDLE, threads)
        if "reel" not in r:
            continue
        rate = r["reel"].answer["gflop"] * 1e3 / r["reel"].ms
        section.rows.append([cell, milliseconds(r, "reel"), number(rate), times(r, "eager", "reel")])
        if "eager" in r:
            figures[cell] = r["eager"].ms / r["reel"].ms
    return section, verdict(10, "the library's cells ≥ 3× PyTorch eager", figures, 3)


def structure(bench, plan):
    section = Section(f"around an LSTM, T,B,I,H = {name_of(MIDDLE)}, one thread",
                      ["what", "ms (spread)", "of what its products predict"])
    contenders = {"plain": ("step", "lstm"), "layer norm": ("step", "layer-norm")}
    contenders |= {title: ("step", cell) for title, cell in STRUCTURE.items()}
    r = bench.compare(contenders, MIDDLE, 1, agree=[[label] for label in contenders])
    costs = {}
    for label in contenders:
        if label in r and "plain" in r:
            pace = {k: r[k].ms / r[k].answer["gflop"] for k in (label, "plain")}
            costs[label] = pace[label] / pace["plain"]
            section.rows.append([label, milliseconds(r, label), f"{costs[label]:.2f}"])
    sequences = Section("CTC (T 200, B 32, 40 labels, 30 long) and a beam of 8 (50 tokens of 100, H 256), one thread",
                        ["what", "reel, ms (spread)", "PyTorch"])
    ctc = bench.compare({"reel": ("ctc", "ctc"), "PyTorch": ("torch", "ctc")}, (200, 32, 40, 30), 1, task="ctc")
    beam = bench.compare({"reel": ("beam", "lstm"), "PyTorch": ("torch", "lstm")}, (50, 1, 100, 256), 1, task="beam")
    for title, found in (("CTC, forward and backward", ctc), ("beam search", beam)):
        sequences.rows.append([title, milliseconds(found, "reel"), times(found, "PyTorch", "reel")])

    cells, cells_verdict = library_cells(bench, max(plan.threads))

    def faster(found):
        return {"": found["PyTorch"].ms / found["reel"].ms} if len(found) == 2 else {}

    return [section, sequences, cells], [
        verdict(10, "layer norm on the gates ≤ 1.4× the plain cell",
                {"": costs["layer norm"]} if "layer norm" in costs else {}, 1.4, False),
        verdict(10, "structure ≤ 1.15× of what its products predict",
                {k: costs[k] for k in STRUCTURE if k in costs}, 1.15, False),
        verdict(10, "CTC within 1.5× of PyTorch's time", {k: 1 / v for k, v in faster(ctc).items()}, 1.5, False),
        verdict(10, "a beam of 8 ≥ 5× a loop in PyTorch", faster(beam), 5), cells_verdict]


# ---- 11: optimisers ---------------------------------------------------------------------------------

def optimisers(bench, plan):
    section = Section("one step of each optimiser over 10,000,000 parameters, f32, and a loop that reads and writes "
                      "the same bytes on the same threads",
                      ["optimiser", *(f"{what}, {t} thread{'s' if t > 1 else ''}" for t in plan.threads
                                      for what in ("step, ms", "streaming, ms", "step / streaming"))])
    found, figures = {}, {}
    for threads in plan.threads:
        found[threads], _ = bench.ask_fresh("optimizers", ["", 10_000_000, threads, 0.3 if plan.quick else 1], threads)
    for name in next(iter(found.values())):
        cells = []
        for threads, answer in found.items():
            of = answer[name]
            figures[f"{name}, {threads} thread{'s' if threads > 1 else ''}"] = of["ratio"]
            cells += [number(of["ms"]), number(of["stream_ms"]), f"{of['ratio']:.2f}"]
        section.rows.append([name, *cells])
    return [section], [verdict(11, "an update ≤ 1.3× the time of streaming its bytes", figures, 1.3, False)]


# ---- 12: files and deployment -------------------------------------------------------------------------------

def file_rounds(bench, megabytes, path, threads):
    """{what: seconds}, each the best of all rounds, and the largest growth while loading."""
    best, grown, size = {}, 0, 0

    def keep(answer, names):
        for key, what in names.items():
            best[what] = min(answer[key], best.get(what, answer[key]))

    for _ in range(bench.rounds):
        keep(bench.ask("files", ["save", megabytes, path], threads), {"seconds": "save", "dd": "dd"})
        answer = bench.ask("files", ["load", megabytes, path], threads)
        keep(answer, {"seconds": "load", "cat": "cat"})
        grown, size = max(grown, answer["grown"]), answer["megabytes"]
        if bench.has("safetensors"):
            keep(bench.ask("safetensors", ["load", path], threads), {"seconds": "wheel"})
    return best, grown, size


def files(bench, plan):
    megabytes, threads = 200 if plan.quick else 1000, max(plan.threads)
    path = bench.programs / "files.safetensors"
    try:
        best, grown, size = file_rounds(bench, megabytes, path, threads)
    finally:
        path.unlink(missing_ok=True)
    section = Section(f"a safetensors file of {megabytes} MB, {threads} threads", ["what", "GB/s"])
    for what, title in (("save", "saving, synced"), ("dd", "dd with fsync"), ("load", "loading into parameters"),
                        ("cat", "cat to /dev/null"), ("wheel", "the safetensors package, to NumPy")):
        if what in best:
            section.rows.append([title, number(size / 1e3 / best[what])])
    section.note = f"loading holds {number(grown)} MB more than the parameters at its peak"
    wheel = {"": best["wheel"] / best["load"]} if "wheel" in best else {}
    return section, [
        verdict(12, "loading ≥ 0.9 of cat's speed", {"": best["cat"] / best["load"]}, 0.9),
        verdict(12, "loading ≥ the safetensors package's speed", wheel, 1),
        verdict(12, "peak memory while loading ≤ the file and 1 %", {"": 100 * grown / size}, 1, False, " % more"),
        verdict(12, "saving ≥ 0.8 of dd's speed with fsync", {"": best["dd"] / best["save"]}, 0.8)]


def streaming(bench, plan):
    section = Section("a streaming step of an LSTM(256), 256 inputs, batch 1, one thread",
                      ["who", "µs (spread)", "bytes", "largest difference of an output in 100 steps"])
    contenders = {"reel, frozen": ("stream", "lstm"), "reel, int8": ("stream", "lstm", "int8"),
                  "ONNX Runtime": ("onnx", "lstm")}
    r = bench.compare(contenders, (1, 1, 256, 256), 1, task="infer", agree=[["reel, frozen", "ONNX Runtime"]])
    for label, of in r.items():
        spread = f"{number(1e3 * of.ms)} ({number(1e3 * of.least)}–{number(1e3 * of.most)})"
        section.rows.append([label, spread, of.answer.get("bytes", "–"), of.answer.get("difference", "–")])
    figures = {label: r[label].ms / r["ONNX Runtime"].ms for label in ("reel, frozen", "reel, int8")
               if label in r and "ONNX Runtime" in r}
    section.note = "".join(f"{label}: {figure:.2f} of ONNX Runtime's time. " for label, figure in figures.items())
    frozen = {"": figures["reel, frozen"]} if "reel, frozen" in figures else {}
    return section, [verdict(12, "a streaming step ≤ 0.7 of ONNX Runtime's time", frozen, 0.7, False)]


def deployment(bench, plan):
    (file_section, file_verdicts), (section, verdicts) = files(bench, plan), streaming(bench, plan)
    return [file_section, section], file_verdicts + verdicts


# ---- without a target ------------------------------------------------------------------------------

def others(bench, plan):
    start = Section("from the start of the process to the first loss, LSTM 64,16,64,64", ["who", "seconds"])
    for label, who, cell in (("reel", "step", "lstm"), ("PyTorch", "torch", "nn.LSTM"), ("JAX", "jax", "lstm")):
        if who in PEERS and not bench.has(who):
            continue
        words = ["step", cell, 64, 16, 64, 64, 1, 0]
        seconds = sorted(bench.ask_fresh(who, words, 1)[1] for _ in range(min(3, bench.rounds)))
        start.rows.append([label, f"{seconds[len(seconds) // 2]:.3f}"])
    fading = Section("many to one: a plain RNN of 400,32,28,64 whose loss looks at the last step alone, one thread",
                     ["reel, ms (spread)", "nn.RNN"])
    r = bench.compare({"reel": ("step", "rnn", "last"), "nn.RNN": ("torch", "nn.RNN", "last")}, (400, 32, 28, 64), 1)
    fading.rows.append([milliseconds(r, "reel"), times(r, "nn.RNN", "reel")])
    infer = Section("inference of an LSTM, one thread", ["what", "reel, ms (spread)", "ONNX Runtime", "PyTorch"])
    contenders = {"reel": ("infer", "lstm"), "ONNX": ("onnx", "lstm"), "PyTorch": ("torch", "nn.LSTM")}
    for title, row in (("one step, state carried over, H 256", (1, 1, 256, 256)),
                       ("100 steps, B 1", (100, 1, 256, 256)), ("100 steps, B 32", MIDDLE)):
        r = bench.compare(contenders, row, 1, task="infer")
        infer.rows.append([title, milliseconds(r, "reel"), times(r, "ONNX", "reel"), times(r, "PyTorch", "reel")])
    return [start, fading, infer], []


TARGETS = {1: layers, 2: limit, 3: custom, 4: overhead, 5: memory, 6: model, 7: double, 8: others, 9: program,
           10: structure, 11: optimisers, 12: deployment}
