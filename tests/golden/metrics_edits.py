"""Error rates and alignments of the pairs, first reference only, by jiwer: python3 metrics_edits.py writes
metrics_edits.txt.

A row for each pair: WER, MER, WIL, CER, the distance of the unchanged texts, and the alignments of words and of
characters ("e5s1": five equal, one substituted; d deleted, i inserted). "all" rows have first, end and the four rates
of these pairs together."""
from importlib.metadata import version

import jiwer
from rapidfuzz.distance import Levenshtein

from text_pairs import pairs, write


def text_of(chunks):
    return "".join(f"{c.type[0]}{max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx)}" for c in chunks)


def rates(references, hypotheses):
    w, c = jiwer.process_words(references, hypotheses), jiwer.process_characters(references, hypotheses)
    return w, c, [repr(float(x)) for x in (w.wer, w.mer, w.wil, c.cer)]


data, rows = pairs(), []
for h, refs in data:
    w, c, numbers = rates(refs[0], h)
    rows.append(numbers + [Levenshtein.distance(refs[0], h), text_of(w.alignments[0]) or "-", text_of(c.alignments[0]) or "-"])
for first, end in ((0, 560), (0, 4), (3, 4), (50, 250), (400, 403)):
    part = data[first:end]
    rows.append(["all", first, end] + rates([refs[0] for _, refs in part], [h for h, _ in part])[2])
write(__file__, rows, "jiwer " + version("jiwer"), "rapidfuzz " + version("rapidfuzz"))
