// SPDX-License-Identifier: Apache-2.0
#include "proto/status.h"

#include "common/json/json.h"

void px_status(uint64_t code, const char *reason, const char *message, struct cor_buf *out)
{
    auto_(cor_json_free) struct cor_json *status = cor_json_object();
    cor_json_set(status, "kind", cor_json_str("Status"));
    cor_json_set(status, "apiVersion", cor_json_str("v1"));
    cor_json_set(status, "metadata", cor_json_object());
    cor_json_set(status, "status", cor_json_str("Failure"));
    cor_json_set(status, "message", cor_json_str(message));
    cor_json_set(status, "reason", cor_json_str(reason));
    cor_json_set(status, "code", cor_json_int((int64_t)code));
    cor_json_write(status, out);
}
