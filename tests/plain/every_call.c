/* every_call.c: no call of a public function, whatever its arguments, ends the program. Every
 * prototype of the public headers is called with good arguments of which one, or all, are bad: NULL
 * pointers, absent, dead and foreign handles, zeroed structures, numbers out of range. What a call
 * records is read. */
#define _GNU_SOURCE /* mkdtemp, MAP_ANONYMOUS */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/arguments.h"

#ifdef REEL_SANITIZED
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1024:detect_leaks=0";
}
#endif

/* ---- what is left out ---------------------------------------------------------------------- */

/* Numbers that say how many elements of an array are read or written: too large a one is a lie that
 * nobody can see through, so these are large only where all arrays are NULL. "*": of any
 * function. */
static const struct {
    const char *function, *parameter;
} counts[] = {
    { "*", "n" },
    { "reel_decode", "room" },
    { "reel_denormalize_f32", "count" },
    { "reel_metric_update_text", "references" },
    { "reel_multistep_lr", "count" },
    { "reel_onnx_parse", "size" },
    { "reel_plot_attention", "inputs" },
    { "reel_plot_attention", "outputs" },
    { "reel_plot_confusion", "classes" },
    { "reel_sequential_lr", "count" },
};

/* ---- one call ------------------------------------------------------------------------------ */

enum { NOTHING = -1, EVERY = -2, TOGETHER = 6, REPORT = 1024 };

/* Parent and child see it. */
typedef struct {
    bool more;           /* there are other ways in which these arguments can be bad */
    char report[REPORT]; /* on the call in progress */
    long calls;          /* so far */
} shared;

typedef struct {
    surroundings around;
    const char *function;
    int bad, which; /* which argument is bad (NOTHING, EVERY) and how */
    shared *out;
    size_t written; /* of out->report */
} call;
static bool is_count(const char *function, const char *parameter)
{
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if ((strcmp(counts[i].function, "*") == 0 || strcmp(counts[i].function, function) == 0) &&
            strcmp(counts[i].parameter, parameter) == 0) {
            return true;
        }
    }
    return false;
}

static void give(call *c, int place, argument a)
{
    bool one = c->bad == place, all = c->bad == EVERY;
    int bads = argument_bads(&c->around, &a);
    if (one && a.kind <= KIND_COUNT && is_count(c->function, a.name)) {
        bads = a.kind == KIND_COUNT ? 1 : 3; /* 0, -1, the lowest */
    }
    c->out->more = c->out->more || (one && c->which + 1 < bads) ||
                   (all && c->which + 1 < (bads < TOGETHER ? bads : TOGETHER));
    if (!one && !all) {
        argument_good(&c->around, &a);
        return;
    }
    const char *what = argument_bad(&c->around, &a, c->which < bads ? c->which : bads - 1);
    int n = snprintf(c->out->report + c->written, REPORT - c->written, " %s (%s) is %s;", a.name,
                     a.type, what);
    c->written = n > 0 && c->written + (size_t)n < REPORT ? c->written + (size_t)n : REPORT - 1;
}

static void read_var(reel_var v)
{
    static double numbers[4096];
    static int32_t indices[4096];
    int64_t size = v.tape && v.id ? reel_shape_size(reel_shape_of(v)) : 0;
    if (size > 0 && size <= 4096) {
        if (reel_is_index(v)) {
            reel_read_indices(v, indices, (size_t)size);
        } else {
            reel_read_f64(v, numbers, (size_t)size);
        }
    }
}

static void read_text(const char *text)
{
    volatile size_t length = text ? strlen(text) : 0;
    (void)length;
}

typedef struct {
    const char *name;
    int parameters;
    void (*make)(call *);
} function;

#define FUNCTION(name)                                                                             \
    static void call_##name(call *c)                                                               \
    {                                                                                              \
        (void)c;
#define POINTER(place, type, name)                                                                 \
    type a##place;                                                                                 \
    give(c, place,                                                                                 \
         (argument){ (void *)(uintptr_t)&a##place, sizeof(void *), KIND_POINTER, #type, #name });
#define VALUE(place, type, name)                                                                   \
    type a##place;                                                                                 \
    give(c, place, (argument){ &a##place, sizeof(type), KIND_OF(a##place), #type, #name });
#define END(...)                                                                                   \
    (void)__VA_ARGS__;                                                                             \
    }
#define END_VOID(...)                                                                              \
    __VA_ARGS__;                                                                                   \
    }
#define END_VAR(...)                                                                               \
    read_var(__VA_ARGS__);                                                                         \
    }
#define END_TEXT(...)                                                                              \
    read_text(__VA_ARGS__);                                                                        \
    }

#define FIELD(type, name)                                                                          \
    { #type, #name, offsetof(type, name), sizeof(((type *)NULL)->name),                            \
      KIND_OF(((type *)NULL)->name) },

#include "every_call.inc"

/* ---- all calls of a function, in child processes -------------------------------------------- */

static void make_call(const function *f, call *c)
{
    surroundings_make(&c->around);
    c->out->more = false;
    c->written = 0;
    c->out->report[0] = '\0';
    c->out->calls++;
    f->make(c);
    if (strcmp(f->name, "reel_tape_free") != 0) {
        read_text(reel_tape_error(c->around.tape));
    }
}

static void limit_this_process(void)
{
    struct rlimit memory = { (rlim_t)4 << 30, (rlim_t)4 << 30 }, core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &core);
#ifndef REEL_SANITIZED
    setrlimit(RLIMIT_AS, &memory);
#else
    (void)memory;
#endif
    alarm(60);
}

/* Whether the child ended as it should; else says how. */
static bool ended_well(pid_t child, char how[64])
{
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        snprintf(how, 64, "no process");
        return false;
    }
    if (WIFSIGNALED(status)) {
        snprintf(how, 64, "%s", strsignal(WTERMSIG(status)));
    } else {
        snprintf(how, 64, "exit status %d", WEXITSTATUS(status));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Makes the call here, or in a process of its own. */
static bool one_call(const function *f, call *c, bool apart)
{
    if (!apart) {
        make_call(f, c);
        return true;
    }
    char how[64];
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        limit_this_process();
        make_call(f, c);
        _exit(0);
    }
    bool good = ended_well(child, how);
    if (!good) {
        printf("%s: %s where%s\n", f->name, how, c->out->report);
    }
    return good;
}

static bool all_calls(const function *f, shared *out, bool apart)
{
    bool good = true;
    for (int set = 0; set < ARGUMENT_SETS; set++) {
        for (int bad = f->parameters ? EVERY : NOTHING; bad < f->parameters; bad++) {
            call c = {
                .around = { .set = (argument_set)set }, .function = f->name, .bad = bad, .out = out
            };
            do {
                good = one_call(f, &c, apart) && good;
                c.which++;
            } while (out->more);
        }
    }
    return good;
}

/* All in one process; where that fails, once more, each by itself, to say which. */
static bool survives(const function *f, shared *out)
{
    char how[64];
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        limit_this_process();
        all_calls(f, out, false);
        _exit(0);
    }
    if (ended_well(child, how)) {
        return true;
    }
    printf("%s: %s in all calls together, last where%s\n", f->name, how, out->report);
    all_calls(f, out, true);
    return false;
}

/* ---- the program --------------------------------------------------------------------------- */

static bool begin_in_an_empty_folder(char folder[64])
{
    snprintf(folder, 64, "/tmp/reel_every_call_XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 && setenv("PATH", folder, 1) == 0;
}

static void remove_folder(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "/bin/rm -rf '%s'", folder);
    if (chdir("/") != 0 || system(command) != 0) {
        printf("%s stays\n", folder);
    }
}

/* With arguments: of these functions alone. */
int main(int argc, char **argv)
{
    char folder[64];
    shared *out =
        mmap(NULL, sizeof *out, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (out == MAP_FAILED || !begin_in_an_empty_folder(folder)) {
        printf("no room to begin\n");
        return 1;
    }
    size_t failed = 0, tried = 0;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        bool wanted = argc < 2;
        for (int k = 1; k < argc; k++) {
            wanted = wanted || strcmp(argv[k], functions[i].name) == 0;
        }
        if (wanted) {
            tried++;
            failed += !survives(functions + i, out);
        }
    }
    remove_folder(folder);
    printf("%zu functions called %ld times, %zu of them failed\n", tried, out->calls, failed);
    return failed || !tried;
}
