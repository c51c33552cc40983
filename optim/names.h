/* names.h: what to say when a name is none of a table's. Not installed. */
#ifndef REEL_NAMES_H
#define REEL_NAMES_H

#include <stddef.h>

/* Name i of a table; NULL behind the last. */
typedef const char *(*reel__name_at)(size_t i);

/* Insertions, deletions and substitutions of bytes that make a of b; names longer than 63 are
 * cut. */
size_t reel__name_distance(const char *a, const char *b);

/* Writes `no optimiser is called "adm"; did you mean adam? Known: adam, sgd`. */
void reel__unknown_name(char *out, size_t size, const char *kind, const char *name, reel__name_at);

#endif
