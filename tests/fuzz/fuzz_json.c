// SPDX-License-Identifier: Apache-2.0
// Any bytes as JSON: what jansson takes is taken, and is the same; what it refuses is refused; what
// is written is read as it was.
#include <jansson.h>
#include <stdint.h>

#include "common/base/must.h"
#include "common/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 65536, SHALLOW = 500 };

/* Deeper than 512 is refused here, not there. */
static int depth_of(const json_t *value)
{
    int most = 0;
    const char *key = NULL;
    size_t index = 0;
    json_t *child = NULL;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, child)
        {
            int depth = depth_of(child);
            most = depth > most ? depth : most;
        }
    }
    json_array_foreach(value, index, child)
    {
        int depth = depth_of(child);
        most = depth > most ? depth : most;
    }
    return most + 1;
}

static void compare(const struct cor_json *ours, const json_t *theirs, size_t options)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_json *again = NULL;
    cor_json_write(ours, &text);
    json_t *read = json_loadb(text.data, text.len, options, NULL);
    must(read != NULL && json_equal(read, theirs));
    json_decref(read);
    must(cor_json_parse(cor_buf_as_view(&text), (size_t)MAX * 16, COR_JSON_NUL, &again, NULL) ==
         COR_OK);
    must(cor_json_equal(ours, again));
    cor_json_free(&again);
}

static void read_both(struct cor_view text, int flags, size_t options)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_json *ours = NULL;
    json_t *theirs = json_loadb(text.ptr, text.len, options, NULL);
    enum cor_code code = cor_json_parse(text, MAX, flags, &ours, &err);
    if (theirs == NULL || depth_of(theirs) < SHALLOW) {
        must((code == COR_OK) == (theirs != NULL));
    }
    must(code == COR_OK || err.text[0] != '\0');
    if (code == COR_OK) {
        compare(ours, theirs, JSON_DECODE_ANY | JSON_ALLOW_NUL);
    }
    cor_json_free(&ours);
    json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cor_view text = {(const char *)data, size};
    if (size == 0 || size > MAX) {
        return 0;
    }
    read_both(text, 0, JSON_DECODE_ANY);
    read_both(text, COR_JSON_STRICT | COR_JSON_NUL,
              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL);
    read_both(text, COR_JSON_PREFIX, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK);
    return 0;
}
