// SPDX-License-Identifier: Apache-2.0
// Any bytes as the stream of a watch on the Kubernetes API.
#include <stdint.h>

#include "common/kube/lines.h"
#include "common/kube/reflector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *self, enum cor_change change, struct cor_json *object,
                   struct cor_json *old)
{
    (void)self;
    (void)change;
    (void)object;
    (void)old;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(cor_reflector_free) struct cor_reflector *reflector =
        cor_reflector_new((struct cor_reflector_sink){NULL, ignore, NULL});
    auto_(cor_lines_free) struct cor_lines lines = {.max = 4096};
    size_t step = size > 0 ? 1 + data[0] % 64 : 1;
    for (size_t at = 0; at < size; at += step) {
        struct cor_view line;
        size_t left = size - at;
        cor_lines_add(&lines,
                      (struct cor_view){(const char *)data + at, left < step ? left : step});
        while (cor_lines_next(&lines, &line)) {
            (void)!cor_reflector_line(reflector, line);
        }
    }
    return 0;
}
