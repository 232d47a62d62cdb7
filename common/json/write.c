// SPDX-License-Identifier: Apache-2.0
// Compact text of values, as jansson writes it (test_json compares them). jansson's own dump and
// deep copy print the address of every object into a table, to find loops: four fifths of their
// time. Values here are trees: what is set into an object is owned by it.
#include <string.h>

#include "common/base/must.h"
#include "private.h"

enum { NUMBER_MAX = 64 };

/* Bytes that a string cannot hold as they are: the quote, the backslash, control characters. */
static size_t plain_len(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && (unsigned char)text[at] >= 0x20 && text[at] != '"' && text[at] != '\\') {
        at++;
    }
    return at;
}

static void write_escape(unsigned char c, struct cor_buf *buf)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
        if ((unsigned char)shorts[i] == c) {
            char text[2] = {'\\', shorts[i + 1]};
            cor_buf_add(buf, text, sizeof(text));
            return;
        }
    }
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    cor_buf_add(buf, text, sizeof(text));
}

static void write_text(const char *text, size_t len, struct cor_buf *buf)
{
    cor_buf_add(buf, "\"", 1);
    while (len > 0) {
        size_t n = plain_len(text, len);
        cor_buf_add(buf, text, n);
        if (n < len) {
            write_escape((unsigned char)text[n++], buf);
        }
        text += n;
        len -= n;
    }
    cor_buf_add(buf, "\"", 1);
}

static void write_integer(json_int_t value, struct cor_buf *buf)
{
    char text[NUMBER_MAX];
    char *at = text + sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--at = '-';
    }
    cor_buf_add(buf, at, (size_t)(text + sizeof(text) - at));
}

/* Rare: as jansson has it. */
static void write_real(const json_t *value, struct cor_buf *buf)
{
    char text[NUMBER_MAX];
    size_t len = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);
    must(len > 0 && len <= sizeof(text));
    cor_buf_add(buf, text, len);
}

static void write_value(json_t *value, struct cor_buf *buf);

static void write_object(json_t *value, struct cor_buf *buf)
{
    const char *before = "{";
    for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
        cor_buf_add(buf, before, 1);
        write_text(json_object_iter_key(at), json_object_iter_key_len(at), buf);
        cor_buf_add(buf, ":", 1);
        write_value(json_object_iter_value(at), buf);
        before = ",";
    }
    cor_buf_str(buf, before[0] == '{' ? "{}" : "}");
}

static void write_array(const json_t *value, struct cor_buf *buf)
{
    cor_buf_add(buf, "[", 1);
    for (size_t i = 0; i < json_array_size(value); i++) {
        cor_buf_add(buf, ",", i == 0 ? 0 : 1);
        write_value(json_array_get(value, i), buf);
    }
    cor_buf_add(buf, "]", 1);
}

static void write_value(json_t *value, struct cor_buf *buf)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(value, buf);
        break;
    case JSON_ARRAY:
        write_array(value, buf);
        break;
    case JSON_STRING:
        write_text(json_string_value(value), json_string_length(value), buf);
        break;
    case JSON_INTEGER:
        write_integer(json_integer_value(value), buf);
        break;
    case JSON_REAL:
        write_real(value, buf);
        break;
    case JSON_TRUE:
        cor_buf_add(buf, "true", 4);
        break;
    case JSON_FALSE:
        cor_buf_add(buf, "false", 5);
        break;
    case JSON_NULL:
        cor_buf_add(buf, "null", 4);
        break;
    }
}

void cor_json_write(const struct cor_json *value, struct cor_buf *buf)
{
    must(value != NULL);
    write_value(cor_json_in(value), buf);
}

/* ---- copies ---- */

static json_t *copy_value(json_t *value);

static json_t *copy_object(json_t *value)
{
    json_t *copy = json_object();
    for (void *at = json_object_iter(value); at != NULL && copy != NULL;
         at = json_object_iter_next(value, at)) {
        cor_json_went(json_object_setn_new_nocheck(copy, json_object_iter_key(at),
                                                   json_object_iter_key_len(at),
                                                   copy_value(json_object_iter_value(at))));
    }
    return copy;
}

static json_t *copy_array(const json_t *value)
{
    json_t *copy = json_array();
    for (size_t i = 0; i < json_array_size(value) && copy != NULL; i++) {
        cor_json_went(json_array_append_new(copy, copy_value(json_array_get(value, i))));
    }
    return copy;
}

/* Scalars never change: copies share them. */
static json_t *copy_value(json_t *value)
{
    json_t *copy = json_is_object(value)  ? copy_object(value)
                   : json_is_array(value) ? copy_array(value)
                                          : json_incref(value);
    cor_json_went(copy == NULL);
    return copy;
}

struct cor_json *cor_json_copy(const struct cor_json *value)
{
    return value == NULL ? NULL : cor_json_out(copy_value(cor_json_in(value)));
}
