/* words.c: reads the lists, drops what several languages share, and shuffles. */
#include "words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const language_names[LANGUAGES] = { "English", "French",  "German",
                                                "Spanish", "Italian", "Dutch" };
static const char *const files[LANGUAGES] = { "american-english", "french",  "ngerman",
                                              "spanish",          "italian", "dutch" };

typedef struct {
    word *word;
    int count, room;
} list;

static uint64_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void shuffle(word *w, int n, uint64_t *state)
{
    for (int i = n - 1; i > 0; i--) {
        int k = (int)(draw(state) % (uint64_t)(i + 1));
        word swapped = w[i];
        w[i] = w[k];
        w[k] = swapped;
    }
}

/* Words of three letters or more, without capitals within, apostrophes or dots. */
static bool take_word(const char *line, size_t length, int language, word *w)
{
    if (length < 3 || length > MOST_LETTERS) {
        return false;
    }
    *w = (word){ .length = (int)length, .language = language };
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 128 && !isalpha(c)) {
            return false;
        }
        w->letter[i] = (unsigned char)(c < 128 ? tolower(c) : c);
    }
    return true;
}

static bool read_list(const char *folder, int language, list *all)
{
    char path[512], line[256];
    snprintf(path, sizeof path, "%s/%s.txt", folder, files[language]);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "languages: no %s: ./dev data fetches it\n", path);
        return false;
    }
    bool fine = true;
    while (fine && fgets(line, sizeof line, file)) {
        if (all->count == all->room) {
            all->room = all->room ? 2 * all->room : 65536;
            word *grown = realloc(all->word, (size_t)all->room * sizeof *grown);
            fine = grown != NULL;
            all->word = fine ? grown : all->word;
        }
        if (fine) {
            all->count += take_word(line, strcspn(line, "\r\n"), language, &all->word[all->count]);
        }
    }
    fclose(file);
    return fine;
}

static int by_letters(const void *a, const void *b)
{
    const word *x = a, *y = b;
    int order = memcmp(x->letter, y->letter, MOST_LETTERS);
    return order ? order : x->language - y->language;
}

/* Leaves one copy of a word of one language, and none of a word of several. */
static void drop_shared(list *all)
{
    qsort(all->word, (size_t)all->count, sizeof *all->word, by_letters);
    int kept = 0;
    for (int i = 0, end; i < all->count; i = end) {
        bool shared = false;
        for (end = i + 1; end < all->count &&
                          memcmp(all->word[i].letter, all->word[end].letter, MOST_LETTERS) == 0;
             end++) {
            shared = shared || all->word[end].language != all->word[i].language;
        }
        if (!shared) {
            all->word[kept++] = all->word[i];
        }
    }
    all->count = kept;
}

static bool choose(const list *all, int each, words *w)
{
    int have[LANGUAGES] = { 0 }, held_out = each / 10;
    w->learnt = calloc((size_t)(each * LANGUAGES), sizeof *w->learnt);
    w->held_out = calloc((size_t)(each * LANGUAGES), sizeof *w->held_out);
    for (int i = 0; w->learnt && w->held_out && i < all->count; i++) {
        int *n = &have[all->word[i].language];
        if (*n < held_out) {
            w->held_out[w->held_out_count++] = all->word[i];
        } else if (*n < each) {
            w->learnt[w->learnt_count++] = all->word[i];
        }
        *n += *n < each;
    }
    for (int k = 0; k < LANGUAGES; k++) {
        if (have[k] < each) {
            fprintf(stderr, "languages: %d words of %s are too few\n", have[k], language_names[k]);
            return false;
        }
    }
    return true;
}

bool words_read(const char *folder, int each, words *w)
{
    list all = { 0 };
    uint64_t state = 7;
    bool fine = true;
    *w = (words){ 0 };
    for (int k = 0; fine && k < LANGUAGES; k++) {
        fine = read_list(folder, k, &all);
    }
    if (fine) {
        drop_shared(&all);
        shuffle(all.word, all.count, &state);
        fine = choose(&all, each, w);
        shuffle(w->learnt, w->learnt_count, &state); /* the longest list was used up first */
    }
    free(all.word);
    return fine;
}

void words_free(words *w)
{
    free(w->learnt);
    free(w->held_out);
}
