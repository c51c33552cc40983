"""Tables, verdicts, the machine's description, the page docs/performance.md and the picture."""
import datetime
import os
import platform
import subprocess

from harness import have
from targets import name_of

BEGIN, END = "<!-- ./dev bench --write-docs: begin -->", "<!-- ./dev bench --write-docs: end -->"
WORDS = {True: "met", False: "missed", None: "not measured"}


def processor():
    about = {}
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                about[key.strip()] = value.strip()
    except OSError:
        return platform.processor() or platform.machine()
    flags = about.get("flags", "").split()
    best = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "no AVX2")
    return f"{about.get('model name', platform.machine())} ({best})"


def machine(bench):
    """{what: text}, about where and with what this was measured."""
    compiler = "unknown"
    if have("cc"):
        compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True).stdout.partition("\n")[0]
    return {"date": datetime.date.today().isoformat(), "processor": processor(), "cores": os.cpu_count(),
            "system": platform.system(), "compiler": compiler,
            "python": platform.python_version(), "peers": bench.versions}


def in_words(about):
    peers = ", ".join(f"{peer} {version}" for peer, version in about["peers"].items()) or "none"
    return (f"{about['processor']}, {about['cores']} cores, {about['system']}, {about['compiler']}; "
            f"peers: {peers}; {about['date']}")


# ---- text ------------------------------------------------------------------------------------------

def print_section(section):
    table = [section.columns, *([str(cell) for cell in row] for row in section.rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(section.columns))]
    print(f"\n{section.title}")
    for row in table:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    if section.note:
        print(f"  {section.note}")


def print_verdicts(verdicts):
    for v in verdicts:
        print(f"target {v.target}: {v.text}: {v.figure}: {WORDS[v.met]}")


def markdown_table(columns, rows):
    line = lambda cells: "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"
    return "\n".join([line(columns), line(["---"] * len(columns)), *map(line, rows)])


def markdown(about, how, sections, verdicts, failures):
    parts = [f"Measured on {in_words(about)}. {how}"]
    parts.append(markdown_table(["target", "what", "figure", ""],
                                [[v.target, v.text, v.figure, WORDS[v.met]] for v in verdicts]))
    for section in sections:
        parts.append(f"### {section.title}\n\n" + markdown_table(section.columns, section.rows))
        if section.note:
            parts.append(section.note[0].upper() + section.note[1:] + ".")
    if failures:
        parts.append("What failed:\n\n" + "\n".join(f"- {f}" for f in failures))
    return "\n\n".join(parts)


def write_docs(path, text):
    page = path.read_text()
    before, rest = page.split(BEGIN)
    path.write_text(before + BEGIN + "\n\n" + text + "\n\n" + END + rest.split(END)[1])


# ---- picture ---------------------------------------------------------------------------------------

GNUPLOT = """
set terminal {terminal} size {size} background rgb "white"
set output "{output}"
set multiplot layout {panels},1 title "A training step of reel_lstm beside its peers; T,B,I,H below" noenhanced
set style data histogram
set style histogram cluster gap 1.5
set style fill solid 0.9 noborder
set boxwidth 0.9
set grid ytics back
set yrange [0:*]
set xtics font ",9" rotate by -15
set ylabel "times as fast"
set key outside right top
{plots}
unset multiplot
"""


def write_data(base, lstm, labels):
    """BASE.dat: a block for each number of threads, a line for each row. Gives the numbers of threads."""
    threads = sorted({t for _, t in lstm})
    blocks = []
    for t in threads:
        lines = ["\t".join(["T,B,I,H", *labels])]
        for row in [r for r, of in lstm if of == t]:
            r = lstm[row, t]
            ratios = [f"{r[k].ms / r['merged'].ms:.3f}" if k in r and "merged" in r else "?" for k in labels]
            lines.append("\t".join([name_of(row), *ratios]))
        blocks.append("\n".join(lines))
    base.with_suffix(".dat").write_text("\n\n\n".join(blocks) + "\n")
    return threads


def draw(base, lstm):
    """BASE.png and BASE.svg; gives a sentence about what was written."""
    labels = [k for k in ("nn.LSTM", "JAX", "kann", "DyNet", "limit") if any(k in r for r in lstm.values())]
    if not lstm or not labels:
        return "no picture: the LSTM rows of targets 1 and 2 were not measured"
    base.parent.mkdir(parents=True, exist_ok=True)
    threads, data = write_data(base, lstm, labels), base.with_suffix(".dat")
    if not have("gnuplot"):
        return f"no picture: gnuplot is not installed (Debian: gnuplot-nox); its data lie in {data}"
    plots = "\n".join(
        f'set title "{t} thread{"s" if t > 1 else ""}"\nplot ' + ", ".join(
            f'"{data}" index {n} using {k + 2}:xtic(1) title columnheader({k + 2})' for k in range(len(labels)))
        + ', 1.5 with lines dashtype 2 linecolor "black" title "1.5"' for n, t in enumerate(threads))
    for suffix, terminal, size in ((".png", "pngcairo", "1200,{}"), (".svg", "svg", "1200,{}")):
        script = GNUPLOT.format(terminal=terminal, size=size.format(60 + 360 * len(threads)), panels=len(threads),
                                output=base.with_suffix(suffix), plots=plots)
        script = 'set datafile separator "\\t"\nset datafile missing "?"\n' + script
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return f"wrote {base.with_suffix('.png')} and {base.with_suffix('.svg')}"
