// SPDX-License-Identifier: Apache-2.0
// kubelite: the embedded Kubernetes API.
#ifndef KUBELITE_KUBELITE_H
#define KUBELITE_KUBELITE_H

#include "common/service/service.h"

/* What main() runs. */
extern const struct cor_service_spec kl_service_spec;

#endif
