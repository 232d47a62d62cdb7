// SPDX-License-Identifier: Apache-2.0
// Text as tests write and read it: JSON with ' for ", which C does not have to escape.
#ifndef TESTS_SUPPORT_TEXT_H
#define TESTS_SUPPORT_TEXT_H

#include <stddef.h>

#include "common/json/json.h"

/* text with " for each '. Returns owned. */
char *test_quoted(const char *text);

/* JSON written with ' for ". Fails the test when it is none. Returns owned. */
struct cor_json *test_json(const char *text);

/* How often what stands in text (NULL: never); places may overlap. */
size_t test_count(const char *text, const char *what);

#endif
