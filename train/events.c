/* events.c: TensorBoard's event files. */
#define _POSIX_C_SOURCE 200809L
#include "events.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- checksums ----------------------------------------------------------------------------- */

uint32_t reel__crc32c(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

/* TFRecord turns checksums round and adds a constant, because a checksum of checksums is weak. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ---- the wire format ----------------------------------------------------------------------- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bool put(reel__events *e, const void *bytes, size_t n)
{
    if (!reel__list_reserve(e->tape, &e->message, e->message.count + n, 1)) {
        return false;
    }
    if (n > 0) {
        memcpy((char *)e->message.data + e->message.count, bytes, n);
    }
    e->message.count += n;
    return true;
}

static bool put_varint(reel__events *e, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) {
        bytes[n++] = (unsigned char)(v | 0x80);
    }
    bytes[n++] = (unsigned char)v;
    return put(e, bytes, n);
}

static void little_endian(unsigned char *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(v >> 8 * i);
    }
}

static bool put_key(reel__events *e, int field, int kind)
{
    return put_varint(e, (uint64_t)field << 3 | (uint64_t)kind);
}

static bool put_raw_double(reel__events *e, double v)
{
    unsigned char bytes[8];
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    little_endian(bytes, bits, 8);
    return put(e, bytes, sizeof bytes);
}

static bool put_double(reel__events *e, int field, double v)
{
    return put_key(e, field, FIXED64) && put_raw_double(e, v);
}

static bool put_float(reel__events *e, int field, float v)
{
    unsigned char bytes[4];
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    little_endian(bytes, bits, 4);
    return put_key(e, field, FIXED32) && put(e, bytes, sizeof bytes);
}

static bool put_text(reel__events *e, int field, const char *text)
{
    size_t n = strlen(text);
    return put_key(e, field, BYTES) && put_varint(e, n) && put(e, text, n);
}

/* A message within a message starts with its length, which is known when it ends: room for it is
 * kept, and its content moved up to it. */
static size_t begin(reel__events *e, int field)
{
    put_key(e, field, BYTES);
    return e->message.count;
}

static bool end(reel__events *e, size_t start)
{
    size_t n = e->message.count - start, length_bytes = 1;
    for (size_t rest = n; rest >= 0x80; rest >>= 7) {
        length_bytes++;
    }
    if (!reel__list_reserve(e->tape, &e->message, e->message.count + length_bytes, 1)) {
        return false;
    }
    char *bytes = e->message.data;
    memmove(bytes + start + length_bytes, bytes + start, n);
    e->message.count = start;
    put_varint(e, n);
    e->message.count = start + length_bytes + n;
    return true;
}

/* ---- records ------------------------------------------------------------------------------- */

static bool write_record(reel__events *e)
{
    unsigned char head[12], tail[4];
    little_endian(head, e->message.count, 8);
    little_endian(head + 8, masked(reel__crc32c(head, 8)), 4);
    little_endian(tail, masked(reel__crc32c(e->message.data, e->message.count)), 4);
    return fwrite(head, 1, sizeof head, e->file) == sizeof head &&
           fwrite(e->message.data, 1, e->message.count, e->file) == e->message.count &&
           fwrite(tail, 1, sizeof tail, e->file) == sizeof tail;
}

static bool begin_event(reel__events *e, int64_t step)
{
    e->message.count = 0;
    return put_double(e, 1, e->wall_time) && put_key(e, 2, VARINT) && put_varint(e, (uint64_t)step);
}

static bool make_folders(const char *dir)
{
    char path[1024];
    size_t length = strlen(dir);
    if (length == 0 || length >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t i = 1; i <= length; i++) {
        if (dir[i] == '/' || dir[i] == '\0') {
            memcpy(path, dir, i);
            path[i] = '\0';
            if (mkdir(path, 0777) != 0 && errno != EEXIST) {
                return false;
            }
        }
    }
    return true;
}

/* Files of one folder are told apart by time and process; the first message names the version. */
bool reel__events_open(reel__events *e, reel_tape *tape, const char *dir)
{
    char path[1200];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *e = (reel__events){ .tape = tape,
                         .wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec };
    snprintf(path, sizeof path, "%s/events.out.tfevents.%lld.reel.%ld.%ld", dir,
             (long long)now.tv_sec, (long)getpid(), now.tv_nsec);
    if (!make_folders(dir) || !(e->file = fopen(path, "wb"))) {
        return false;
    }
    return put_double(e, 1, e->wall_time) && put_text(e, 3, "brain.Event:2") && write_record(e);
}

bool reel__events_flush(reel__events *e)
{
    return fflush(e->file) == 0 && !ferror(e->file);
}

bool reel__events_close(reel__events *e)
{
    bool good = !e->file || !ferror(e->file);
    good = (!e->file || fclose(e->file) == 0) && good;
    e->file = NULL;
    reel__list_free(e->tape, &e->message, 1);
    return good;
}

/* ---- summaries ----------------------------------------------------------------------------- */

bool reel__events_scalar(reel__events *e, int64_t step, const char *tag, double value)
{
    if (!begin_event(e, step)) {
        return false;
    }
    size_t summary = begin(e, 5), entry = begin(e, 1);
    return put_text(e, 1, tag) && put_float(e, 2, (float)value) && end(e, entry) &&
           end(e, summary) && write_record(e);
}

enum { BUCKETS = 30 };

typedef struct {
    double least, most, sum, squares;
    double bucket[BUCKETS];
} histogram;

static histogram histogram_of(const double values[], size_t n)
{
    histogram h = { .least = INFINITY, .most = -INFINITY };
    for (size_t i = 0; i < n; i++) {
        h.least = fmin(h.least, values[i]);
        h.most = fmax(h.most, values[i]);
        h.sum += values[i];
        h.squares += values[i] * values[i];
    }
    for (size_t i = 0; i < n; i++) {
        double width = h.most - h.least, place = (values[i] - h.least) / width * BUCKETS;
        int at = place >= 0 ? (place < BUCKETS ? (int)place : BUCKETS - 1) : 0;
        h.bucket[at]++;
    }
    return h;
}

static bool put_histogram(reel__events *e, const histogram *h, size_t n)
{
    bool good = put_double(e, 1, h->least) && put_double(e, 2, h->most) &&
                put_double(e, 3, (double)n) && put_double(e, 4, h->sum) &&
                put_double(e, 5, h->squares);
    size_t limits = begin(e, 6);
    for (int i = 1; good && i <= BUCKETS; i++) {
        good = put_raw_double(e, i < BUCKETS ? h->least + (h->most - h->least) * i / BUCKETS
                                             : h->most);
    }
    good = good && end(e, limits);
    size_t counts = begin(e, 7);
    for (int i = 0; good && i < BUCKETS; i++) {
        good = put_raw_double(e, h->bucket[i]);
    }
    return good && end(e, counts);
}

bool reel__events_histogram(reel__events *e, int64_t step, const char *tag, const double values[],
                            size_t n)
{
    if (n == 0 || !begin_event(e, step)) {
        return n == 0;
    }
    histogram h = histogram_of(values, n);
    size_t summary = begin(e, 5), entry = begin(e, 1);
    bool good = put_text(e, 1, tag);
    size_t inner = begin(e, 5);
    return good && put_histogram(e, &h, n) && end(e, inner) && end(e, entry) && end(e, summary) &&
           write_record(e);
}

/* ---- graphs -------------------------------------------------------------------------------- */

/* The attribute _output_shapes, which TensorBoard writes on edges: one shape. */
static bool put_shape(reel__events *e, const reel_shape *shape)
{
    size_t attribute = begin(e, 5);
    bool good = put_text(e, 1, "_output_shapes");
    size_t value = begin(e, 2), list = begin(e, 1), output = begin(e, 7);
    for (int axis = 0; good && axis < shape->rank; axis++) {
        size_t dim = begin(e, 2);
        good = put_key(e, 1, VARINT) && put_varint(e, (uint64_t)shape->dim[axis]) && end(e, dim);
    }
    return good && end(e, output) && end(e, list) && end(e, value) && end(e, attribute);
}

static bool put_node(reel__events *e, const reel__event_node *n)
{
    size_t node = begin(e, 1);
    bool good = put_text(e, 1, n->name) && put_text(e, 2, n->op);
    for (int i = 0; good && i < n->inputs; i++) {
        good = put_text(e, 3, n->input[i]);
    }
    return good && (!n->shape || put_shape(e, n->shape)) && end(e, node);
}

/* A GraphDef is a message of its own, as bytes in the event. */
bool reel__events_graph(reel__events *e, int n, const reel__event_node nodes[])
{
    e->message.count = 0;
    bool good = put_double(e, 1, e->wall_time);
    size_t graph = begin(e, 4);
    for (int i = 0; good && i < n; i++) {
        good = put_node(e, &nodes[i]);
    }
    size_t versions = begin(e, 4);
    good = good && put_key(e, 1, VARINT) && put_varint(e, 22) && end(e, versions);
    return good && end(e, graph) && write_record(e);
}
