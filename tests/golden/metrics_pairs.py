"""The pairs of text_pairs.py: python3 metrics_pairs.py writes metrics_pairs.txt: hypothesis, references."""
from text_pairs import escaped, pairs, write

write(__file__, [[escaped(h)] + [escaped(x) for x in refs] for h, refs in pairs()])
