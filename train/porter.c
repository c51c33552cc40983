/* porter.c: stems of English words (Porter 1980), with the exceptions and changes that NLTK
 * makes. */
#include "porter.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
    char *at;
    size_t n;
} word;

/* ---- what the rules ask -------------------------------------------------------------------- */

/* A y is a consonant at the beginning and behind a vowel. */
static bool is_consonant(const char *w, size_t i)
{
    bool negate = false;
    while (w[i] == 'y' && i > 0) {
        negate = !negate;
        i--;
    }
    return (strchr("aeiou", w[i]) == NULL) != negate;
}

/* How many times a vowel is followed by a consonant in the first n letters. */
static size_t measure(const char *w, size_t n)
{
    size_t count = 0;
    for (size_t i = 1; i < n; i++) {
        count += !is_consonant(w, i - 1) && is_consonant(w, i);
    }
    return count;
}

static bool has_vowel(const char *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_consonant(w, i)) {
            return true;
        }
    }
    return false;
}

static bool ends_double(const char *w, size_t n)
{
    return n >= 2 && w[n - 1] == w[n - 2] && is_consonant(w, n - 1);
}

/* Consonant, vowel, consonant other than w, x, y; or a word of vowel and consonant. */
static bool ends_cvc(const char *w, size_t n)
{
    if (n == 2) {
        return !is_consonant(w, 0) && is_consonant(w, 1);
    }
    return n >= 3 && is_consonant(w, n - 3) && !is_consonant(w, n - 2) && is_consonant(w, n - 1) &&
           strchr("wxy", w[n - 1]) == NULL;
}

static bool ends_with(const word *w, const char *suffix)
{
    size_t n = strlen(suffix);
    return w->n >= n && memcmp(w->at + w->n - n, suffix, n) == 0;
}

static void replace(word *w, const char *suffix, const char *with)
{
    w->n -= strlen(suffix);
    memcpy(w->at + w->n, with, strlen(with));
    w->n += strlen(with);
}

/* ---- rules --------------------------------------------------------------------------------- */

typedef struct {
    const char *suffix, *with;
} rule;

/* Of the first rule whose suffix is there; it applies where the stem before has a greater
 * measure. */
static void apply(word *w, const rule *rules, size_t count, size_t measure_above)
{
    for (size_t i = 0; i < count; i++) {
        if (ends_with(w, rules[i].suffix)) {
            if (measure(w->at, w->n - strlen(rules[i].suffix)) > measure_above) {
                replace(w, rules[i].suffix, rules[i].with);
            }
            return;
        }
    }
}
#define APPLY(w, rules, above) apply(w, rules, sizeof(rules) / sizeof *(rules), above)

static void step_1a(word *w)
{
    if (ends_with(w, "ies")) {
        replace(w, "ies", w->n == 4 ? "ie" : "i");
    } else if (ends_with(w, "sses")) {
        replace(w, "sses", "ss");
    } else if (ends_with(w, "s") && !ends_with(w, "ss")) {
        w->n--;
    }
}

/* Behind a cut -ed or -ing. */
static void mend(word *w)
{
    char last = w->at[w->n - 1];
    if (ends_with(w, "at") || ends_with(w, "bl") || ends_with(w, "iz")) {
        replace(w, "", "e");
    } else if (ends_double(w->at, w->n)) {
        w->n -= last != 'l' && last != 's' && last != 'z';
    } else if (measure(w->at, w->n) == 1 && ends_cvc(w->at, w->n)) {
        replace(w, "", "e");
    }
}

static void step_1b(word *w)
{
    static const char *const suffixes[] = { "ed", "ing" };
    if (ends_with(w, "ied")) {
        replace(w, "ied", w->n == 4 ? "ie" : "i");
        return;
    }
    if (ends_with(w, "eed")) {
        w->n -= measure(w->at, w->n - 3) > 0;
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (ends_with(w, suffixes[i]) && has_vowel(w->at, w->n - strlen(suffixes[i]))) {
            replace(w, suffixes[i], "");
            mend(w);
            return;
        }
    }
}

static void step_1c(word *w)
{
    if (ends_with(w, "y") && w->n > 2 && is_consonant(w->at, w->n - 2)) {
        w->at[w->n - 1] = 'i';
    }
}

static void step_2(word *w)
{
    static const rule rules[] = {
        { "ational", "ate" }, { "tional", "tion" }, { "enci", "ence" },   { "anci", "ance" },
        { "izer", "ize" },    { "bli", "ble" },     { "alli", "al" },     { "entli", "ent" },
        { "eli", "e" },       { "ousli", "ous" },   { "ization", "ize" }, { "ation", "ate" },
        { "ator", "ate" },    { "alism", "al" },    { "iveness", "ive" }, { "fulness", "ful" },
        { "ousness", "ous" }, { "aliti", "al" },    { "iviti", "ive" },   { "biliti", "ble" },
        { "fulli", "ful" },
    };
    if (ends_with(w, "alli") && measure(w->at, w->n - 4) > 0) {
        replace(w, "alli", "al");
    }
    if (ends_with(w, "logi")) { /* here the l counts as part of the stem */
        w->n -= measure(w->at, w->n - 3) > 0;
        return;
    }
    APPLY(w, rules, 0);
}

static void step_3(word *w)
{
    static const rule rules[] = { { "icate", "ic" }, { "ative", "" },  { "alize", "al" },
                                  { "iciti", "ic" }, { "ical", "ic" }, { "ful", "" },
                                  { "ness", "" } };
    APPLY(w, rules, 0);
}

static void step_4(word *w)
{
    static const rule rules[] = {
        { "al", "" },   { "ance", "" }, { "ence", "" }, { "er", "" },    { "ic", "" },
        { "able", "" }, { "ible", "" }, { "ant", "" },  { "ement", "" }, { "ment", "" },
        { "ent", "" },  { "ou", "" },   { "ism", "" },  { "ate", "" },   { "iti", "" },
        { "ous", "" },  { "ive", "" },  { "ize", "" },
    };
    if (ends_with(w, "ion")) {
        bool follows = w->n > 3 && (w->at[w->n - 4] == 's' || w->at[w->n - 4] == 't');
        w->n -= follows && measure(w->at, w->n - 3) > 1 ? 3 : 0;
        return;
    }
    APPLY(w, rules, 1);
}

static void step_5(word *w)
{
    if (ends_with(w, "e")) {
        size_t m = measure(w->at, w->n - 1);
        w->n -= m > 1 || (m == 1 && !ends_cvc(w->at, w->n - 1));
    }
    if (ends_with(w, "ll") && measure(w->at, w->n - 1) > 1) {
        w->n--;
    }
}

/* ---- words of their own -------------------------------------------------------------------- */

static const rule irregular[] = {
    { "sky", "sky" },         { "skies", "sky" },        { "dying", "die" },
    { "lying", "lie" },       { "tying", "tie" },        { "news", "news" },
    { "innings", "inning" },  { "inning", "inning" },    { "outings", "outing" },
    { "outing", "outing" },   { "cannings", "canning" }, { "canning", "canning" },
    { "howe", "howe" },       { "proceed", "proceed" },  { "exceed", "exceed" },
    { "succeed", "succeed" },
};

size_t reel__porter_stem(char *at, size_t length)
{
    static void (*const steps[])(word *) = { step_1a, step_1b, step_1c, step_2,
                                             step_3,  step_4,  step_5 };
    word w = { at, length };
    for (size_t i = 0; i < sizeof irregular / sizeof *irregular; i++) {
        if (strlen(irregular[i].suffix) == length && memcmp(at, irregular[i].suffix, length) == 0) {
            replace(&w, irregular[i].suffix, irregular[i].with);
            return w.n;
        }
    }
    for (size_t i = 0; length > 2 && i < sizeof steps / sizeof *steps; i++) {
        steps[i](&w);
    }
    return w.n;
}
