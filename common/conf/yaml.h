// SPDX-License-Identifier: Apache-2.0
// YAML documents as JSON values; part of the door to libyaml. Plain scalars become null, booleans
// and numbers as in YAML 1.2's core schema; anchors, aliases and tags are refused. Any thread.
#ifndef COR_CONF_YAML_H
#define COR_CONF_YAML_H

#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/json/json.h"

/* Called for each mapping key: path is dotted, line counts from 1. */
typedef void (*cor_yaml_line_fn)(void *self, const char *path, size_t line);

/* Reads the one document in text (at most max bytes); that more follow is an error. An empty
 * document is an empty object. lines (may be NULL) is told where keys stand. COR_TOOBIG,
 * COR_INVALID (with the line). Returns owned in *out_r. */
COR_NODISCARD enum cor_code cor_yaml_parse(struct cor_view text, size_t max, cor_yaml_line_fn lines,
                                           void *self, struct cor_json **out_r,
                                           struct cor_err *err);

/* The same as Kubernetes reads its objects: yes, no, on and off are booleans, 0644 and 0o644 are
 * octal, 0x1f is hexadecimal (YAML 1.1). */
COR_NODISCARD enum cor_code cor_yaml_parse_kube(struct cor_view text, size_t max,
                                                struct cor_json **out_r, struct cor_err *err);

#endif
