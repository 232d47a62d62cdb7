// SPDX-License-Identifier: Apache-2.0
// Any bytes as the answer of a peer: its head, then its body, in pieces.
#include <stdint.h>

#include "common/httpd/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_body(struct cor_body *body, struct cor_view bytes)
{
    struct cor_view part;
    while (bytes.len > 0 && cor_body_next(body, &bytes, &part) == COR_RETRY) {}
    (void)cor_body_may_end(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(cor_head_free) struct cor_head head = {0};
    struct cor_body body;
    size_t step = size > 0 ? 1 + data[0] % 64 : 1;
    enum cor_code code = COR_RETRY;
    for (size_t at = 1; at < size && code == COR_RETRY; at += step) {
        size_t left = size - at;
        struct cor_view bytes = {(const char *)data + at, left < step ? left : step};
        code = cor_head_add(&head, &bytes, NULL);
        if (code == COR_OK && cor_body_begin(&body, &head) == COR_OK) {
            read_body(&body, (struct cor_view){bytes.ptr,
                                               (size_t)((const char *)data + size - bytes.ptr)});
        }
    }
    if (code == COR_OK) {
        (void)cor_head_get(&head, "Upgrade");
        (void)cor_head_reason(&head);
    }
    return 0;
}
