"""Byte pair encoding and word counts the slow way, in plain Python: python3 vocabulary.py writes
vocabulary.txt."""
import re
from collections import Counter

import numpy as np

from table import Table

table = Table(__file__, np)
TEXT = ("low low low low low lower lower newest newest newest newest newest newest widest widest widest\n"
        "the theme of the thesis: they thaw; aaa aaaa aaaaa aa  two  spaces\tand a tab\n"
        "Grüße aus Köln, größer als Gräser — 世界 世界 世, привет приветы\n") * 3
OTHER = "the lowest newer widely Größe 界世, aaaaaaa\n\n  new\ttab привод 😀 end "
SPECIALS, SIZE = 2, 256 + 2 + 60


def words_of(text):
    """A word takes one space before it with it; other white space stands by itself."""
    return re.findall(r" ?\S+|\s", text)


def pairs_of(word):
    return list(zip(word, word[1:]))


def merge(word, pair, merged):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(merged)
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


def learn(text):
    words = [([SPECIALS + b for b in w.encode()], n) for w, n in Counter(words_of(text)).items()]
    merges = []
    while 256 + SPECIALS + len(merges) < SIZE:
        counts = Counter()
        for word, n in words:
            for pair in pairs_of(word):
                counts[pair] += n
        pair, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if n < 2:
            break
        merges.append(pair)
        words = [(merge(w, pair, 255 + SPECIALS + len(merges)), n) for w, n in words]
    return merges


def encode(text, merges):
    out = []
    for word in words_of(text):
        word = [SPECIALS + b for b in word.encode()]
        for k, pair in enumerate(merges):
            word = merge(word, pair, 256 + SPECIALS + k)
        out += word
    return out


merges = learn(TEXT)
table.add("bpe", "text", np.array(list(TEXT.encode())))
table.add("bpe", "other", np.array(list(OTHER.encode())))
table.add("bpe", "merges", np.array(merges))
table.add("bpe", "encoded", np.array(encode(OTHER, merges)))
counts = Counter(TEXT.split())
ranked = sorted(counts, key=lambda w: (-counts[w], w.encode()))
number = {w: k + SPECIALS for k, w in enumerate(ranked)}
table.add("words", "encoded", np.array([number.get(w, 1) for w in OTHER.split()]))
table.add("words", "count", np.array([len(ranked) + SPECIALS]))
characters = {c: k + SPECIALS for k, c in enumerate(sorted(set(TEXT)))}
table.add("characters", "encoded", np.array([characters.get(c, 1) for c in OTHER]))
table.write()
