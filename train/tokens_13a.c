/* tokens_13a.c: the tokens of mteval-v13a, as sacrebleu makes them. Each rule is a pass over the
 * bytes: the characters it looks for are ASCII, and no part of another one in UTF-8. */
#include <string.h>

#include "tokens_13a.h"

/* A rule adds what becomes of the text's beginning and returns how many bytes that was. */
typedef size_t (*rule)(reel_metric *, reel__bytes *out, reel__span text, bool *done);

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_point(char c)
{
    return c == '.' || c == ',';
}

static bool is_symbol(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
           (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

static bool add(reel_metric *metric, reel__bytes *out, const char *before, const char *text,
                size_t length, const char *after)
{
    return reel__bytes_add(metric, out, before, strlen(before)) &&
           reel__bytes_add(metric, out, text, length) &&
           reel__bytes_add(metric, out, after, strlen(after));
}

/* What goes, and what stands for what; in this order, each over the whole text. */
static const struct {
    const char *from, *to;
} replaced[] = {
    { "<skipped>", "" }, { "-\n", "" },   { "\n", " " },   { "&quot;", "\"" },
    { "&amp;", "&" },    { "&lt;", "<" }, { "&gt;", ">" },
};
enum { REPLACED = sizeof replaced / sizeof *replaced };

static bool replace_pass(reel_metric *metric, int which, reel__span text, reel__bytes *out)
{
    size_t length = strlen(replaced[which].from);
    while (text.length) {
        bool here = text.length >= length && memcmp(text.text, replaced[which].from, length) == 0;
        size_t used = here ? length : 1;
        if (!add(metric, out, "", text.text, here ? 0 : 1, here ? replaced[which].to : "")) {
            return false;
        }
        text = (reel__span){ text.text + used, text.length - used };
    }
    return true;
}

static size_t part_symbols(reel_metric *metric, reel__bytes *out, reel__span text, bool *done)
{
    bool apart = is_symbol(text.text[0]);
    *done = add(metric, out, apart ? " " : "", text.text, 1, apart ? " " : "");
    return 1;
}

/* A period or comma, unless behind a digit. */
static size_t part_points_behind(reel_metric *metric, reel__bytes *out, reel__span text, bool *done)
{
    if (text.length > 1 && !is_digit(text.text[0]) && is_point(text.text[1])) {
        *done =
            add(metric, out, "", text.text, 1, " ") && add(metric, out, "", text.text + 1, 1, " ");
        return 2;
    }
    *done = add(metric, out, "", text.text, 1, "");
    return 1;
}

/* A period or comma, unless before a digit. */
static size_t part_points_before(reel_metric *metric, reel__bytes *out, reel__span text, bool *done)
{
    if (text.length > 1 && is_point(text.text[0]) && !is_digit(text.text[1])) {
        *done =
            add(metric, out, " ", text.text, 1, " ") && add(metric, out, "", text.text + 1, 1, "");
        return 2;
    }
    *done = add(metric, out, "", text.text, 1, "");
    return 1;
}

static size_t part_dashes(reel_metric *metric, reel__bytes *out, reel__span text, bool *done)
{
    if (text.length > 1 && is_digit(text.text[0]) && text.text[1] == '-') {
        *done = add(metric, out, "", text.text, 1, " - ");
        return 2;
    }
    *done = add(metric, out, "", text.text, 1, "");
    return 1;
}

static const rule rules[] = { part_symbols, part_points_behind, part_points_before, part_dashes };
enum { RULES = sizeof rules / sizeof *rules };

static bool rule_pass(reel_metric *metric, rule apply, reel__span text, reel__bytes *out)
{
    bool done = true;
    while (done && text.length) {
        size_t used = apply(metric, out, text, &done);
        text = (reel__span){ text.text + used, text.length - used };
    }
    return done;
}

static void swap(reel__bytes *a, reel__bytes *b)
{
    reel__bytes before = *a;
    *a = *b;
    *b = before;
    b->count = 0;
}

/* Makes `text` of itself, by way of `spare`. */
static bool rewrite(reel_metric *metric, reel__bytes *text, reel__bytes *spare)
{
    bool done = true;
    for (int i = 0; done && i < REPLACED; i++) {
        done = replace_pass(metric, i, (reel__span){ text->at, text->count }, spare);
        swap(text, spare);
    }
    /* The rules look at neighbours: there is one at either end. */
    done = done && add(metric, spare, " ", text->at, text->count, " ");
    swap(text, spare);
    for (int i = 0; done && i < RULES; i++) {
        done = rule_pass(metric, rules[i], (reel__span){ text->at, text->count }, spare);
        swap(text, spare);
    }
    return done;
}

bool reel__tokens_13a(reel_metric *metric, reel__span text, reel__lexicon *lexicon,
                      reel__symbols *out)
{
    reel__bytes tokens = { 0 }, spare = { 0 };
    reel__span core = reel__strip(text);
    size_t end = (size_t)(core.text - text.text) + core.length; /* white space at the end goes */
    bool done = reel__bytes_add(metric, &tokens, text.text, end) &&
                rewrite(metric, &tokens, &spare) &&
                reel__words_of(metric, lexicon, (reel__span){ tokens.at, tokens.count }, out);
    reel__bytes_free(metric, &tokens);
    reel__bytes_free(metric, &spare);
    return done;
}
