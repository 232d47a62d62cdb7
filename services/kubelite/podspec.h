// SPDX-License-Identifier: Apache-2.0
// Checks of a Pod's spec (pkg/apis/core/validation). Pure.
#ifndef KUBELITE_PODSPEC_H
#define KUBELITE_PODSPEC_H

#include "common/json/json.h"
#include "fail.h"

/* Adds what is wrong with spec (defaults are filled in) to causes, with field paths from "spec". */
void kl_podspec_check(const struct cor_json *spec, struct kl_causes *causes);

/* The same for its volumes; names of good ones are added to names (an object). */
void kl_volumes_check(const struct cor_json *volumes, struct cor_json *names,
                      struct kl_causes *causes);

#endif
