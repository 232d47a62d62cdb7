// SPDX-License-Identifier: Apache-2.0
// A tapped message as a line for people. Pure, but for the cause times it remembers.
#ifndef ZMQTAP_SHOW_H
#define ZMQTAP_SHOW_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/bus/wire.h"

/* What to show. Strings are borrowed; NULL: all. */
struct tap_filter {
    const char *service;  /* from or to */
    const char *message;  /* name of the kind */
    const char *resource; /* part of the key, topic, device or node */
    bool control;         /* the bus's own messages too */
};

struct tap_style {
    bool verbose; /* decode bodies */
    bool json;
    bool colour;
};

struct tap_show;

/* Returns owned. */
struct tap_show *tap_show_new(const struct tap_filter *filter, const struct tap_style *style);

/* Frees. *show becomes NULL. */
void tap_show_free(struct tap_show **show);

/* Appends the lines of a message. False: the filter hides it, nothing was appended. */
bool tap_show_line(struct tap_show *show, const struct cor_wire_tapped *tapped,
                   struct cor_buf *out);

#endif
