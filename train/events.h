/* events.h: TensorBoard's event files. Not installed.
 *
 * A file is a row of records: length, its checksum, an Event message, its checksum. The few
 * messages that are needed are encoded by hand (protocol buffers' wire format: a field is its
 * number and kind, then its bytes). */
#ifndef REEL_EVENTS_H
#define REEL_EVENTS_H

#include "../graph/tape.h"

typedef struct {
    reel_tape *tape;
    FILE *file;
    reel__list message; /* bytes of the message that is being written */
    double wall_time;   /* of the events that follow, seconds */
} reel__events;

/* Makes folders as needed and a file DIR/events.out.tfevents.…; false with errno set. */
bool reel__events_open(reel__events *, reel_tape *, const char *dir);
bool reel__events_close(reel__events *); /* false: not all could be written */

bool reel__events_scalar(reel__events *, int64_t step, const char *tag, double value);
bool reel__events_histogram(reel__events *, int64_t step, const char *tag, const double values[],
                            size_t n);

/* A graph of operations, each with the inputs it names. */
typedef struct {
    const char *name, *op;
    const char *const *input; /* [inputs]; one that begins with ^ only comes before it */
    int inputs;
    const reel_shape *shape; /* of its output; NULL: not said */
} reel__event_node;
bool reel__events_graph(reel__events *, int n, const reel__event_node nodes[]);
/* What a variable depends on, with the steps of loops that repeat one body as one group
 * (events_drawing.c). */
bool reel__events_drawing(reel__events *, reel_var);
bool reel__events_flush(reel__events *);

/* CRC-32C (Castagnoli), as iSCSI and TFRecord use it. */
uint32_t reel__crc32c(const void *data, size_t bytes);

#endif
