/* Losses that reel_compile knows by name, against Keras 3 (golden/loss_names.py), through a model
 * that gives back what it gets. */
#include <criterion/criterion.h>
#include <math.h>

#include "reel.h"
#include "support/golden.h"

enum { ROWS = 5, WIDTH = 3 };

static golden_row row_of(const char *name, const char *label)
{
    golden_row row;
    cr_assert(golden_find("loss_names.txt", name, label, &row), "%s %s", name, label);
    return row;
}

static void expect_loss(const char *name, reel_data y, const double *weights, const char *label)
{
    golden_row prediction = row_of(name, "prediction"), expected = row_of(name, label);
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64 });
    reel_model *m = reel_sequential(t, REEL_ACTIVATION(REEL_LINEAR));
    cr_assert_eq(reel_compile(m, (reel_compile_options){ .loss = name }), REEL_OK, "%s",
                 reel_tape_error(t));
    reel_data x = reel_data_f64(prediction.values, prediction.shape);
    reel_evaluate_options options = { .batch_size = 2, .sample_weights = weights };
    double loss = reel_evaluate(m, x, y, options).loss;
    cr_expect(fabs(loss - expected.values[0]) < 1e-9 * (1 + fabs(expected.values[0])),
              "%s, %s: %.15g, Keras %.15g; %s", name, label, loss, expected.values[0],
              reel_tape_error(t));
    reel_tape_free(t);
    golden_free(&prediction);
    golden_free(&expected);
}

static void expect_both(const char *name)
{
    golden_row target = row_of(name, "target"), weights = row_of(name, "weights");
    reel_data y = reel_data_f64(target.values, target.shape);
    expect_loss(name, y, NULL, "loss");
    expect_loss(name, y, weights.values, "weighted");
    if (target.shape.rank == 1) { /* classes as int32 are the same */
        int32_t classes[ROWS];
        for (int i = 0; i < ROWS; i++) {
            classes[i] = (int32_t)target.values[i];
        }
        expect_loss(name, REEL_DATA(classes, ROWS), NULL, "loss");
        expect_loss(name, REEL_DATA(classes, ROWS, 1), weights.values, "weighted");
    }
    golden_free(&target);
    golden_free(&weights);
}

Test(losses_by_name, are_those_of_keras_with_and_without_weights)
{
    static const char *const names[] = { "mse",
                                         "mae",
                                         "mape",
                                         "msle",
                                         "huber",
                                         "log_cosh",
                                         "poisson",
                                         "hinge",
                                         "cross_entropy",
                                         "categorical_crossentropy",
                                         "sparse_categorical_crossentropy",
                                         "binary_crossentropy",
                                         "binary_cross_entropy_with_logits" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expect_both(names[i]);
    }
}
