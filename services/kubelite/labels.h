// SPDX-License-Identifier: Apache-2.0
// LabelSelectors in objects (k8s.io/apimachinery/pkg/apis/meta/v1, LabelSelectorAsSelector). Pure.
#ifndef KUBELITE_LABELS_H
#define KUBELITE_LABELS_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/json/json.h"

/* Whether labels (an object, may be NULL) are selected; a NULL selector selects nothing. */
bool kl_labels_match(const struct cor_json *selector, const struct cor_json *labels);

/* Whether labels hold all of wanted (a plain map); an empty one selects nothing. */
bool kl_labels_include(const struct cor_json *wanted, const struct cor_json *labels);

/* The selector as clients write it: "app=web,tier in (a,b)"; a plain map as "a=b,c=d". Appended. */
void kl_labels_text(const struct cor_json *selector, struct cor_buf *out);
void kl_labels_map_text(const struct cor_json *map, struct cor_buf *out);

/* The selector and a map of strings as Go's %#v prints them. Appended. */
void kl_labels_go(const struct cor_json *selector, struct cor_buf *out);
void kl_labels_map_go(const struct cor_json *map, struct cor_buf *out);

#endif
