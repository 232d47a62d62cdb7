// SPDX-License-Identifier: Apache-2.0
// Memory of values, in a file of its own: tests/sim has a heap for each service.
#include "common/base/mem.h"
#include "private.h"

void *cor_json_heap_get(size_t size)
{
    return cor_realloc(NULL, 1, size);
}

void cor_json_heap_put(void *block)
{
    cor_free(block);
}
