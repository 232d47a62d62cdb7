// SPDX-License-Identifier: Apache-2.0
// The service: its spec for cor_service_main.
#ifndef EDGEHUB_EDGEHUB_H
#define EDGEHUB_EDGEHUB_H

#include "common/service/service.h"

/* What main.c runs. */
const struct cor_service_spec *edgehub_spec(void);

#endif
