// SPDX-License-Identifier: Apache-2.0
// The service: its spec for cor_service_main.
#ifndef CLOUDHUB_CLOUDHUB_H
#define CLOUDHUB_CLOUDHUB_H

#include "common/service/service.h"

/* What main.c runs. */
const struct cor_service_spec *cloudhub_spec(void);

#endif
