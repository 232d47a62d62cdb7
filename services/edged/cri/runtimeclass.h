// SPDX-License-Identifier: Apache-2.0
// The handler of a RuntimeClass, from what the API answers. Pure. Source of words:
// k8s.io/kubernetes pkg/kubelet/runtimeclass. Any thread.
#ifndef EDGED_RUNTIMECLASS_H
#define EDGED_RUNTIMECLASS_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"

/* status and body answer a GET of the RuntimeClass name (status 0: body says why there is no
 * answer). COR_NOTFOUND; COR_RETRY: nobody could say. Returns owned in *handler_r. */
COR_NODISCARD enum cor_code runtimeclass_handler(const char *name, int status, struct cor_view body,
                                                 char **handler_r, struct cor_err *err);

#endif
