/* What the shared library shows: everything in it is hidden but what carries REEL_API. */
#ifndef REEL_GRAPH_EXPORT_H
#define REEL_GRAPH_EXPORT_H

#if defined(__GNUC__)
#define REEL_API __attribute__((visibility("default")))
#else
#define REEL_API
#endif

/* Lets the compiler check printf-like arguments. */
#if defined(__GNUC__) || defined(__clang__)
#define REEL_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define REEL_PRINTF(format_at, first_at)
#endif

#endif
