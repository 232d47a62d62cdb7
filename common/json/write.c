// SPDX-License-Identifier: Apache-2.0
// Text of values, compact or indented by two blanks, as jansson writes it (test_json compares
// them).
#include "common/base/must.h"
#include "private.h"

enum { NUMBER_MAX = 24, INDENT = 2, COMPACT = -1 };

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

/* Behind what has been written of it. */
static void write_rest(const char *text, size_t len, struct cor_buf *buf)
{
    while (len > 0) {
        bool ascii = false;
        size_t n = cor_json_plain_run(text, len, &ascii);
        cor_buf_add(buf, text, n);
        if (n < len) {
            write_escape((unsigned char)text[n++], buf);
        }
        text += n;
        len -= n;
    }
}

/* Most is plain, and then one piece. after: a character behind the string; NUL: none. */
static void write_text(const char *text, size_t len, char after, struct cor_buf *buf)
{
    bool ascii = false;
    char *at = cor_buf_room(buf, len + 3);
    size_t n = cor_json_plain_run(text, len, &ascii);
    at[0] = '"';
    memcpy(at + 1, text, n);
    buf->len += n + 1;
    if (n < len) {
        write_rest(text + n, len - n, buf);
        at = cor_buf_room(buf, 2) - n - 1;
    }
    at[n + 1] = '"';
    at[n + 2] = after;
    buf->len += after == '\0' ? 1 : 2;
    buf->data[buf->len] = '\0';
}

static void write_char(char c, struct cor_buf *buf)
{
    *cor_buf_room(buf, 1) = c;
    buf->len++;
}

static void write_integer(int64_t value, struct cor_buf *buf)
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

static void write_value(const struct cor_json *value, int depth, struct cor_buf *buf);

/* A new line, if lines are written. */
static void write_line(int depth, struct cor_buf *buf)
{
    if (depth >= 0) {
        size_t len = 1 + INDENT * (size_t)depth;
        char *at = cor_buf_room(buf, len);
        memset(at, ' ', len);
        at[0] = '\n';
        buf->len += len;
    }
}

static int deeper(int depth)
{
    return depth < 0 ? depth : depth + 1;
}

static void write_object(const struct cor_json *value, int depth, struct cor_buf *buf)
{
    char before = '{';
    for (uint32_t i = 0; i < value->object.used; i++) {
        const struct cor_json_member *member = &value->object.members[i];
        if (member->value == NULL) {
            continue;
        }
        write_char(before, buf);
        write_line(deeper(depth), buf);
        write_text(cor_json_key(member), member->len, ':', buf);
        if (depth >= 0) {
            write_char(' ', buf);
        }
        write_value(member->value, deeper(depth), buf);
        before = ',';
    }
    if (before == '{') {
        write_char('{', buf);
    } else {
        write_line(depth, buf);
    }
    write_char('}', buf);
}

static void write_array(const struct cor_json *value, int depth, struct cor_buf *buf)
{
    write_char('[', buf);
    for (uint32_t i = 0; i < value->array.count; i++) {
        if (i > 0) {
            write_char(',', buf);
        }
        write_line(deeper(depth), buf);
        write_value(value->array.items[i], deeper(depth), buf);
    }
    if (value->array.count > 0) {
        write_line(depth, buf);
    }
    write_char(']', buf);
}

static void write_value(const struct cor_json *value, int depth, struct cor_buf *buf)
{
    switch (value->type) {
    case COR_JSON_OBJECT:
        write_object(value, depth, buf);
        break;
    case COR_JSON_ARRAY:
        write_array(value, depth, buf);
        break;
    case COR_JSON_STRING:
        write_text(value->text.bytes, value->text.len, '\0', buf);
        break;
    case COR_JSON_INT:
        write_integer(value->integer, buf);
        break;
    case COR_JSON_REAL:
        cor_json_write_real(value->real, buf);
        break;
    case COR_JSON_BOOL:
        cor_buf_str(buf, value->integer != 0 ? "true" : "false");
        break;
    case COR_JSON_NULL:
        cor_buf_str(buf, "null");
        break;
    }
}

void cor_json_write(const struct cor_json *value, struct cor_buf *buf)
{
    must(value != NULL);
    write_value(value, COMPACT, buf);
}

void cor_json_write_pretty(const struct cor_json *value, struct cor_buf *buf)
{
    must(value != NULL);
    write_value(value, 0, buf);
}

char *cor_json_text(const struct cor_json *value)
{
    struct cor_buf buf = {0};
    cor_json_write(value, &buf);
    return cor_buf_take(&buf);
}
