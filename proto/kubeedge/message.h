// SPDX-License-Identifier: Apache-2.0
// The message of KubeEdge's cloud link: one JSON document in a WebSocket text message
// (beehive/pkg/core/model/message.go). Reading is bounded and as tolerant as Go's decoder: keys in
// any letter case, unknown keys, whatever follows the first value. Pure. Any thread.
#ifndef PX_KUBEEDGE_MESSAGE_H
#define PX_KUBEEDGE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/json/json.h"

/* The longest message; KubeEdge itself sets no limit on a WebSocket, 32 MiB on QUIC. */
enum { PX_KUBEEDGE_MAX = 32 * 1024 * 1024 };

/* A message as read. Views and content are borrowed from tree; absent texts are "". */
struct px_kubeedge_in {
    struct cor_json *tree; /* owned */
    const char *id;
    const char *parent; /* not "": this answers that message */
    int64_t timestamp;  /* ms since 1970 */
    const char *version;
    const char *source;
    const char *group;
    const char *operation;
    const char *resource;
    struct cor_json *content; /* NULL: absent or null */
};

/* Reads text. COR_INVALID when it is no JSON object or a field has the wrong type, which ends a
 * connection; COR_TOOBIG. *in_r must be freed with px_kubeedge_in_free in any case. */
COR_NODISCARD enum cor_code px_kubeedge_read(struct cor_view text, struct px_kubeedge_in *in_r,
                                             struct cor_err *err);

/* Frees; empty after. For auto_(). */
void px_kubeedge_in_free(struct px_kubeedge_in *in);

/* A message to write. All borrowed; NULL and "" fields are left out. */
struct px_kubeedge_out {
    const char *id;
    const char *parent;
    int64_t timestamp; /* ms since 1970 */
    const char *version;
    const char *source;
    const char *group;
    const char *operation;
    const char *resource;
    struct cor_view content; /* JSON text; absent: null */
};

/* Appends the document and a newline, as Go's encoder does. */
void px_kubeedge_write(const struct px_kubeedge_out *out, struct cor_buf *text);

/* Appends text as a JSON string: for patches, device states, payloads and "OK" as content. As Go's
 * encoding/json does, bytes that are not UTF-8 become U+FFFD, NUL becomes \u0000. */
void px_kubeedge_quote(struct cor_view text, struct cor_buf *out);

/* The bytes of a content as KubeEdge's "content data": those of a string as they are, of any other
 * value its JSON. Appends to out. */
void px_kubeedge_bytes(const struct cor_json *content, struct cor_buf *out);

/* The object that content is, be it an object or a string that holds one. Returns an owned
 * reference, NULL if it is neither. */
struct cor_json *px_kubeedge_object(struct cor_json *content);

#endif
