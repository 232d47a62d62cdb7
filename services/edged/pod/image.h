// SPDX-License-Identifier: Apache-2.0
// Image references: the default tag, and what is no reference at all. Pure. Source of the grammar:
// github.com/distribution/reference. Any thread.
#ifndef EDGED_IMAGE_H
#define EDGED_IMAGE_H

#include <stdbool.h>

#include "common/base/view.h"

/* Whether name is a reference: [host[:port]/]path[:tag][@digest], path in lower case. */
bool image_is_valid(struct cor_view name);

/* Whether it says neither tag nor digest, so that ":latest" is meant. name is valid. */
bool image_lacks_tag(struct cor_view name);

/* The registry part ("docker.io" when there is none); a view into name or a constant. */
struct cor_view image_registry(struct cor_view name);

#endif
