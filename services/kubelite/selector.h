// SPDX-License-Identifier: Apache-2.0
// Label and field selectors (k8s.io/apimachinery/pkg/labels, pkg/fields). Pure.
#ifndef KUBELITE_SELECTOR_H
#define KUBELITE_SELECTOR_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/json/json.h"
#include "kind.h"

struct kl_selector;

/* Reads labelSelector and fieldSelector (each may be NULL or ""). *selector_r is NULL when
 * everything is selected. COR_INVALID with the text for the client. Returns owned. */
COR_NODISCARD enum cor_code kl_selector_parse(const struct kl_kind *kind, const char *labels,
                                              const char *fields, struct kl_selector **selector_r,
                                              struct cor_err *err);

/* Frees; *selector becomes NULL. For auto_(). */
void kl_selector_free(struct kl_selector **selector);

/* Whether object is selected; a NULL selector selects everything, a NULL object is never selected.
 */
bool kl_selector_matches(const struct kl_selector *selector, const struct cor_json *object);

#endif
