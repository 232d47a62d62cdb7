// SPDX-License-Identifier: Apache-2.0
// Mirrors of static Pods: made in the API when they are not there, deleted when nothing here has
// their hash, and what the status of a static Pod is reported to. Loop thread only.
#ifndef EDGED_MIRRORS_H
#define EDGED_MIRRORS_H

#include "services/edged/agent.h"

/* Returns owned. */
struct mirrors *mirrors_new(struct agent *agent);

/* Frees; no call may be under way: after meta_close. *mirrors becomes NULL. */
void mirrors_free(struct mirrors **mirrors);

/* The API has this mirror (borrowed); key is "<ns>/pod/<name>". */
void mirrors_put(struct mirrors *mirrors, struct cor_view key, const struct cor_json *object);

/* The API has it no more; uid may be absent. */
void mirrors_gone(struct mirrors *mirrors, struct cor_view key, struct cor_view uid);

/* A session with metamanager begins: all mirrors will be put again. */
void mirrors_session_begin(struct mirrors *mirrors);

/* All have been: those that were not are gone. */
void mirrors_session_done(struct mirrors *mirrors);

/* Something has changed that may matter: the Pod of that key; the link, the Node. */
void mirrors_look(struct mirrors *mirrors, const char *key);
void mirrors_look_at_all(struct mirrors *mirrors);

#endif
