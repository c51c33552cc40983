/* dynet_step.cpp: the LSTM training step in DyNet, compiled by bench/peers/compile_driver.
 *
 *     dynet_step lstm STEPS BATCH INPUT HIDDEN THREADS SECONDS
 *
 * DyNet records its graph anew for every step, as reel does, and starts from numbers of its own:
 * its loss is not compared. It has one thread.
 */
#include <vector>

#include "driver.h"
#include "dynet/dynet.h"
#include "dynet/expr.h"
#include "dynet/init.h"
#include "dynet/lstm.h"

typedef struct {
    driver_arguments a;
    dynet::ParameterCollection *parameters;
    dynet::VanillaLSTMBuilder *lstm;
    std::vector<std::vector<float>> x; /* [steps][batch·in] */
} training;

static void train_step(void *self)
{
    training *r = (training *)self;
    const driver_arguments &a = r->a;
    dynet::ComputationGraph graph;
    r->parameters->reset_gradient();
    r->lstm->new_graph(graph);
    r->lstm->start_new_sequence();
    std::vector<dynet::Expression> squares;
    for (int t = 0; t < a.steps; t++) {
        dynet::Dim dim({ (unsigned)a.in }, (unsigned)a.batch);
        dynet::Expression h = r->lstm->add_input(dynet::input(graph, dim, &r->x[(size_t)t]));
        squares.push_back(dynet::sum_batches(dynet::squared_norm(h)));
    }
    dynet::Expression loss =
        dynet::sum(squares) * (1.0f / ((float)a.steps * (float)a.batch * (float)a.hidden));
    graph.forward(loss);
    graph.backward(loss, true); /* true: of the inputs as well */
}

int main(int count, char **argument)
{
    training r;
    r.a = driver_parse(count, argument);
    dynet::DynetParams options;
    options.mem_descriptor = "4096";
    options.random_seed = 1;
    dynet::initialize(options);
    dynet::ParameterCollection parameters;
    dynet::VanillaLSTMBuilder lstm(1, (unsigned)r.a.in, (unsigned)r.a.hidden, parameters);
    r.parameters = &parameters;
    r.lstm = &lstm;
    srand(1);
    for (int t = 0; t < r.a.steps; t++) {
        std::vector<float> x((size_t)r.a.batch * (size_t)r.a.in);
        for (float &v : x) {
            v = 2 * (float)rand() / (float)RAND_MAX - 1;
        }
        r.x.push_back(x);
    }
    driver_measure(r.a.seconds, train_step, &r);
    return 0;
}
