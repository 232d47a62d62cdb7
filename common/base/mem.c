// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

void *cor_calloc(size_t count, size_t size)
{
    void *ptr = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
    if (ptr == NULL) {
        cor_die("out of memory (%zu x %zu bytes)", count, size);
    }
    return ptr;
}

void *cor_alloc(size_t size)
{
    return cor_calloc(1, size);
}

void *cor_realloc(void *ptr, size_t count, size_t size)
{
    void *bigger = reallocarray(ptr, count == 0 ? 1 : count, size == 0 ? 1 : size);
    if (bigger == NULL) {
        cor_die("out of memory (%zu x %zu bytes)", count, size);
    }
    return bigger;
}

char *cor_memdup(const void *bytes, size_t len)
{
    must(len < SIZE_MAX);
    char *copy = cor_alloc(len + 1);
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

char *cor_strdup(const char *text)
{
    return text == NULL ? NULL : cor_memdup(text, strlen(text));
}

char *cor_sprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        cor_die("out of memory (formatting)");
    }
    return text;
}

void cor_free(void *ptr)
{
    free(ptr);
}

void cor_freep(void *pp)
{
    void **slot = pp;
    free(*slot);
    *slot = NULL;
}

void cor_wipe(void *bytes, size_t len)
{
    explicit_bzero(bytes, len);
}
