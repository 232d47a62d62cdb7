// SPDX-License-Identifier: Apache-2.0
// $(VAR) in commands, arguments and environment values, as kubelet expands it. Pure.
// Source: k8s.io/kubernetes third_party/forked/golang/expansion/expand.go. Any thread.
#ifndef EDGED_EXPAND_H
#define EDGED_EXPAND_H

#include "common/base/buf.h"
#include "common/base/view.h"

/* Value of a variable, or NULL when there is none of that name. */
typedef const char *(*expand_fn)(const void *self, struct cor_view name);

enum { EXPAND_MAX = 1024 * 1024 };

/* Appends text with each $(NAME) replaced by its value. $$ gives $; an unknown name, and a $( that
 * is not closed, stay as they are. It ends early when out has more than EXPAND_MAX bytes: who calls
 * refuses that. */
void expand(struct cor_view text, expand_fn value_of, const void *self, struct cor_buf *out);

#endif
