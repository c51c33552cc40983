"""BLEU and chrF of the pairs by sacrebleu: python3 metrics_bleu.py writes metrics_bleu.txt.

A row for each pair: sentence BLEU, sentence BLEU without effective order, chrF2, chrF2++; then rows "corpus", first,
end, references, the lines that sacrebleu prints."""
import logging

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF

from text_pairs import pairs, write

logging.disable(logging.WARNING)
data = pairs()
sentence, plain, chrf, chrf_words = BLEU(effective_order=True), BLEU(), CHRF(), CHRF(word_order=2)
rows = [[repr(m.sentence_score(h, refs).score) for m in (sentence, plain, chrf, chrf_words)] for h, refs in data]


def corpus(first, end, most):
    """Every sentence has `most` references: the last is repeated."""
    part = data[first:end]
    hypotheses = [h for h, _ in part]
    streams = [[refs[min(k, len(refs) - 1)] for _, refs in part] for k in range(most)]
    lines = []
    for m in (BLEU(), CHRF(), CHRF(word_order=2)):
        score = m.corpus_score(hypotheses, streams)
        lines += [repr(score.score), score.format(signature=m.get_signature().format())]
    rows.append(["corpus", first, end, most] + lines)


for first, end in ((0, 560), (0, 1), (1, 3), (10, 13), (100, 200), (200, 201), (300, 450)):
    for most in (1, 3):
        corpus(first, end, most)
write(__file__, rows, "sacrebleu " + sacrebleu.__version__)
