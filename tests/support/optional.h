/* optional.h: tests of what needs a library that reel can be built without: as `.init` of a suite or
 * a test, each skips it, and says why, in a build without. */
#ifndef REEL_TEST_OPTIONAL_H
#define REEL_TEST_OPTIONAL_H

#include <criterion/criterion.h>

static inline void needs_jansson(void)
{
#ifndef REEL_HAVE_JANSSON
    cr_skip("this build is without jansson");
#endif
}

static inline void needs_libzip(void)
{
#ifndef REEL_HAVE_LIBZIP
    cr_skip("this build is without libzip");
#endif
}

static inline void needs_utf8proc(void)
{
#ifndef REEL_HAVE_UTF8PROC
    cr_skip("this build is without libutf8proc");
#endif
}

static inline void needs_hdf5(void)
{
#ifndef REEL_HAVE_HDF5
    cr_skip("this build is without HDF5");
#endif
}

/* What is written in every format that parameters can be saved in. */
static inline void needs_every_format(void)
{
    needs_jansson();
    needs_libzip();
    needs_hdf5();
}

/* Vocabularies of words normalise Unicode and are saved as JSON. */
static inline void needs_unicode_and_json(void)
{
    needs_utf8proc();
    needs_jansson();
}

#endif
