// SPDX-License-Identifier: Apache-2.0
// Paths of the Kubernetes API, and what its Status objects mean. Pure. Any thread.
#ifndef COR_KUBE_PATH_H
#define COR_KUBE_PATH_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/json/json.h"

/* What a path names. Parts may be NULL where the API has none. */
struct cor_kube_ref {
    const char *group_version; /* "v1" or "apps/v1" */
    const char *ns;            /* NULL: cluster scope, or all namespaces */
    const char *plural;        /* "pods" */
    const char *name;          /* NULL: the collection */
    const char *sub;           /* "status"; NULL: the object itself */
};

/* Appends "/api/v1/namespaces/<ns>/pods/<name>/status" with its parts percent-encoded (Kubernetes
 * API concepts, "Resource URIs"). */
void cor_kube_path(const struct cor_kube_ref *ref, struct cor_buf *out);

/* Appends text with everything but RFC 3986 unreserved characters percent-encoded. */
void cor_percent_encode(struct cor_view text, struct cor_buf *out);

/* What an HTTP status (0: no answer) and the reason of its Status object (body, may be NULL) mean.
 */
enum cor_code cor_kube_code(int status, const struct cor_json *body);

#endif
