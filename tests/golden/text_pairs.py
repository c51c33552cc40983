"""Generated pairs of sentences, the same for every metric of text, and how they are written to a file."""
import random

WORDS = (
    "the a of and to in is was he for it with as his on be at by had not are but from or have an they which one you were "
    "relational conditional rational valenci hesitanci digitizer conformabli radicalli differentli vileli analogousli "
    "vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti "
    "triplicate formative formalize electriciti electrical hopeful goodness revival allowance inference airliner gyroscopic "
    "adjustable defensible irritant replacement adjustment dependent adoption homologou communism activate angulariti "
    "homologous effective bowdlerize probate rate cease controll roll caresses ponies ties caress cats feed agreed "
    "plastered bled motoring sing conflated troubled sized hopping tanned falling hissing fizzed failing filing happy sky "
    "skies dying lying tying news innings outing proceed exceed died spied flies says enjoy play yyx yes by boy apologies "
    "geology theology bli ably usefully fulli really nationally generalizations oscillators organization organizing "
    "machine translation summaries recognising speech connected connection connective relate relativity University "
    "universal universities general generous Skiing studies studying cries crying tried trying"
).split()
ODD = (
    "U.S.A. 3.14 1,000,000 12-15 2-fold well-known co-op 100% $5.00 don't it's O'Neil (yes) [no] {maybe} \"quoted\" 'single' "
    "end. end, stop... a.b.c e.g. i.e., 7. ,5 -3 3- - -- — – … & &amp; &lt;b&gt; &quot;hi&quot; <skipped> <b> a/b c\\d x=y "
    "#tag @name user@mail.org http://a.b/c?d=e_f ~ ` ^ | * ** café naïve Ünïcödé Ĺudovít straße ΑΒΓ ὈΔΥΣΣΕΎΣ Привет мир "
    "日本語 中文。 한국어 हिन्दी العربية 😀 👩‍👩‍👧 e\u0301 ﬁne K İstanbul Å ½ ² １２ ！ ？ ，"
).split()
SPACES = [" "] * 40 + ["  ", "\t", " \t ", "\u00a0", "\u2003", "   ", "\u3000", "\x1f"]


def sentence(r):
    n = r.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14])
    words = [r.choice(ODD) if r.random() < 0.3 else r.choice(WORDS) for _ in range(n)]
    return words


def join(r, words):
    text = "".join(w + r.choice(SPACES) for w in words)
    if r.random() < 0.7:
        text = text.rstrip()
    if r.random() < 0.1:
        text = " " + text
    if len(words) > 5 and r.random() < 0.5:
        at = text.find(" ", len(text) // 2)
        text = text[:at] + "\n" + text[at + 1:] if at > 0 else text
    return text


def changed(r, words):
    out = []
    for w in words:
        x = r.random()
        if x < 0.12:
            continue
        if x < 0.22:
            out.append(r.choice(ODD + WORDS))
        if x < 0.3:
            w = r.choice(WORDS)
        elif x < 0.34:
            w = w.upper()
        elif x < 0.38 and len(w) > 2:
            w = w[1] + w[0] + w[2:]
        elif x < 0.42:
            w += r.choice(".,!?;:'\")-")
        out.append(w)
    if len(out) > 3 and r.random() < 0.2:
        i = r.randrange(len(out) - 1)
        out[i], out[i + 1] = out[i + 1], out[i]
    return out


def pairs(count=560):
    """[(hypothesis, [one to three references])]"""
    r = random.Random(20261124)
    out = [("", [""]), ("", ["a b"]), ("a b", [""]), (" \t ", ["\u00a0"])]
    while len(out) < count:
        words = sentence(r)
        hypothesis = join(r, changed(r, words) if r.random() < 0.93 else sentence(r))
        references = [join(r, words)]
        while r.random() < 0.3 and len(references) < 3:
            references.append(join(r, changed(r, words)))
        out.append((hypothesis, references))
    return out


ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def escaped(text):
    """A field of a line whose fields stand between tabs."""
    return "".join(ESCAPES.get(c, c) for c in text)


def write(script, rows, *modules):
    """Rows of fields, behind a comment with the versions of the modules ("name version")."""
    import os
    import platform
    path = os.path.splitext(os.path.abspath(script))[0] + ".txt"
    with open(path, "w", newline="\n") as out:
        out.write(f"# made by {os.path.basename(script)}: Python {platform.python_version()}, {', '.join(modules)}\n")
        for row in rows:
            out.write("\t".join(str(field) for field in row) + "\n")
    print(f"{path}: {len(rows)} rows")
