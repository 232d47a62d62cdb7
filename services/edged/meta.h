// SPDX-License-Identifier: Apache-2.0
// The line to metamanager, edged's only peer on the bus: desired objects come in, questions and
// reports go out. No decisions here. Loop thread only.
#ifndef EDGED_META_H
#define EDGED_META_H

#include "common/base/err.h"
#include "common/base/view.h"
#include "common/bus/bus.h"
#include "proto/proto.h"

struct meta;

struct meta_events {
    /* A session begins or has ended. After it began all objects are sent, then done() is called. */
    void (*session)(void *self, bool up);
    /* A desired object is so, or is gone. Views are valid during the call. */
    void (*object)(void *self, const struct px_object *object);
    /* All objects of this session have been sent. */
    void (*done)(void *self);
    /* The link to the cloud is up, or down. */
    void (*link)(void *self, bool up);
};

/* Opens the line. events is borrowed and must outlive it. COR_BUSY, COR_IO. Returns owned. */
COR_NODISCARD enum cor_code meta_open(struct cor_bus *bus, const struct meta_events *events,
                                      void *self, struct meta **meta_r, struct cor_err *err);

/* Closes; calls under way end with status 0. *meta becomes NULL. For auto_(). */
void meta_close(struct meta **meta);

/* status is the HTTP status, 0 when no answer came: then body is a text that says why. */
typedef void (*meta_fn)(void *self, int status, struct cor_view body);

/* Asks. fn is called exactly once, never from within, unless false is returned: then nothing was
 * sent. key and body are borrowed during the call. */
bool meta_call(struct meta *meta, enum px_verb verb, const char *key, enum px_patch patch,
               struct cor_view body, meta_fn fn, void *self);

/* The answers to what self has asked are of no interest any more. */
void meta_forget(struct meta *meta, const void *self);

#endif
