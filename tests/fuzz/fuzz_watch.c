// SPDX-License-Identifier: Apache-2.0
// Any bytes as the stream of a watch on the Kubernetes API, as a list of it, and as packed.
#include <stdint.h>

#include "common/kube/items.h"
#include "common/kube/lines.h"
#include "common/kube/pack.h"
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

static bool on_item(void *self, struct cor_view item)
{
    (void)!cor_reflector_item(self, item);
    return true;
}

static void unpack(struct cor_view bytes)
{
    auto_(cor_json_free) struct cor_json *value = cor_kube_unpack(bytes);
    auto_(cor_buf_free) struct cor_buf again = {0};
    cor_kube_pack(value, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(cor_items_free) struct cor_items items = {.max = 4096};
    auto_(cor_reflector_free) struct cor_reflector *reflector =
        cor_reflector_new((struct cor_reflector_sink){NULL, ignore, NULL}, "v1", "Pod");
    auto_(cor_lines_free) struct cor_lines lines = {.max = 4096};
    size_t step = size > 0 ? 1 + data[0] % 64 : 1;
    for (size_t at = 0; at < size; at += step) {
        struct cor_view line;
        size_t left = size - at;
        struct cor_view bytes = {(const char *)data + at, left < step ? left : step};
        (void)cor_items_add(&items, bytes, on_item, reflector);
        cor_lines_add(&lines, bytes);
        while (cor_lines_next(&lines, &line)) {
            (void)!cor_reflector_line(reflector, line);
        }
    }
    unpack((struct cor_view){(const char *)data, size});
    return 0;
}
