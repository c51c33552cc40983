"""ROUGE of the pairs by rouge-score: python3 metrics_rouge.py writes metrics_rouge.txt.

A row for each pair: precision, recall and F of rouge1, rouge2, rougeL, rougeLsum without the stemmer, then with it;
"word" rows have a word and its stem."""
import logging
from importlib.metadata import version

from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer

from text_pairs import WORDS, pairs, write

logging.disable(logging.INFO)
TYPES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
scorers = [RougeScorer(TYPES, use_stemmer=stem) for stem in (False, True)]
rows = []
for h, refs in pairs():
    row = []
    for scorer in scorers:
        best = scorer.score_multi(refs, h)
        row += [repr(float(x)) for t in TYPES for x in (best[t].precision, best[t].recall, best[t].fmeasure)]
    rows.append(row)
stemmer = PorterStemmer()
SUFFIXES = ["", "s", "es", "ed", "ing", "ly", "er", "ion", "ation", "ational", "ness", "ful", "fully", "ies", "ied", "y",
            "e", "ll", "al", "alli", "logi", "ize", "izer", "ement", "ive", "eed", "iviti", "ous"]
STEMS = ["hop", "play", "tr", "cr", "rel", "oper", "nat", "hopp", "fil", "fall", "siz", "b", "bl", "at", "yell", "sky",
         "universit", "gener", "angul", "caress", "x1", "2nd", "aa", "ow", "wax", "toy", "fizz", "agr", "contr", "geo"]
words = sorted({w.lower() for w in WORDS if len(w) > 3} | {a + b for a in STEMS for b in SUFFIXES if len(a + b) > 3})
rows += [["word", w, stemmer.stem(w)] for w in words]
write(__file__, rows, "rouge-score " + version("rouge-score"), "nltk " + version("nltk"))
