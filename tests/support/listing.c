/* listing.c: a generated program in words, to find out by hand what of it makes it fail. */
#include "generator.h"

static const struct {
    const char *name;
    int inputs;
} line_names[] = {
#define LINE_ROW(kind, name, inputs) { name, inputs },
    LINE_TABLE(LINE_ROW)
#undef LINE_ROW
};

static void print_line(const program_line *line, int k, FILE *out)
{
    fprintf(out, "        v%d [%d] = %s(", k, (int)line->width, line_names[line->kind].name);
    for (int i = 0; i < line_names[line->kind].inputs; i++) {
        fprintf(out, "%sv%d", i ? ", " : "", line->in[i]);
    }
    fputs(")", out);
    if (line->param != NO_PARAM) {
        fprintf(out, " p%d", line->param);
    }
    if (line->bias != NO_PARAM) {
        fprintf(out, " + p%d", line->bias);
    }
    if (line->kind == LINE_SLICE || line->kind == LINE_STATE) {
        fprintf(out, " from %d", (int)line->begin);
    }
    if (line->number != 0) {
        fprintf(out, " %.17g", line->number);
    }
    fputc('\n', out);
}

static void print_loop(const program *p, int number, FILE *out)
{
    static const char *const styles[] = { "unroll", "for, marked,", "for" };
    static const char *const sources[] = { "parameter", "data", "embedding", "loop before",
                                           "leaves" };
    const program_loop *loop = &p->loop[number];
    fprintf(out, "    loop %d: %s over %d steps of %s [%d,%d]", number, styles[loop->style],
            (int)loop->steps, sources[loop->source], (int)p->batch, (int)loop->width);
    if (loop->x_param != NO_PARAM) {
        fprintf(out, " p%d", loop->x_param);
    }
    fprintf(out, "%s%s%s%s\n        first mark %d, odd step %d, captured v%d at step %d\n",
            loop->lengths ? ", lengths" : "", loop->resets ? ", resets" : "",
            loop->reverse ? ", reverse" : "", loop->all_states ? ", all states" : "",
            (int)loop->first_mark, loop->odd_step, loop->captured, loop->captured_step);
    static const char *const orders[] = { "in order", "one later", "each twice", "shuffled",
                                          "from two tensors" };
    static const char *const odd[] = { "the same", "transposed", "others" };
    fprintf(out, "        by hand: x %s, lag kind %d, odd weights %s; sum of v%d'·v%d\n",
            orders[loop->order], loop->lag, odd[loop->odd], loop->sum_a, loop->sum_b);
    for (int k = 0; k < loop->cell.lines; k++) {
        print_line(&loop->cell.line[k], k, out);
    }
    fprintf(out, "        return v%d;", loop->cell.output);
    for (int k = 0; k < loop->cell.states; k++) {
        fprintf(out, " state[%d] = v%d (starts as p%d)", k, loop->cell.next[k], loop->initial[k]);
    }
    fputc('\n', out);
}

void program_print(const program *p, FILE *out)
{
    static const char *const terms[] = { "outputs",     "dense",        "step",     "steps from",
                                         "final state", "all of state", "captured", "sum",
                                         "sum after",   "parameter" };
    static const char *const derivatives[] = {
        "backward", "backward twice", "gradients", "penalty", "hvp", "jvp", "none"
    };
    fprintf(out, "program %llu: batch %d, derivative %s (%d parameters)\n",
            (unsigned long long)p->seed, (int)p->batch, derivatives[p->derivative], p->wanted);
    for (int k = 0; k < p->params; k++) {
        fprintf(out, "    p%d [%d, %d, %d]\n", k, (int)p->param[k].steps, (int)p->param[k].rows,
                (int)p->param[k].columns);
    }
    for (int k = 0; k < p->loops; k++) {
        print_loop(p, k, out);
    }
    for (int k = 0; k < p->terms; k++) {
        fprintf(out, "    loss += %s %d of loop %d, p%d\n", terms[p->term[k].kind],
                p->term[k].number, p->term[k].loop, p->term[k].param);
    }
    fprintf(out,
            "    early %#llx, before %#llx, kept %#llx, p%d written after loop 0, p%d at the end\n",
            (unsigned long long)p->early, (unsigned long long)p->before,
            (unsigned long long)p->kept, p->rewritten, p->written);
}
