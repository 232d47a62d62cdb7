// SPDX-License-Identifier: Apache-2.0
#include "common/httpd/body.h"

#include <string.h>
#include <strings.h>

/* Where the reader is; a chunk is "SIZE[;extension]\r\nDATA\r\n", the last has size 0 and is
 * followed by trailers and an empty line. */
enum place {
    PLAIN, /* no chunks */
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the beginning of a line */
    TRAILER_REST,
    TRAILER_LF,
    LAST_LF,
    DONE
};

enum { SIZE_DIGITS = 15 };

static bool has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static unsigned count(const struct cor_head *head, const char *name)
{
    size_t at = 0;
    unsigned found = 0;
    struct cor_view one;
    struct cor_view value;
    while (cor_head_next(head, &at, &one, &value)) {
        found += one.len == strlen(name) && strncasecmp(one.ptr, name, one.len) == 0;
    }
    return found;
}

enum cor_code cor_body_begin(struct cor_body *body, const struct cor_head *head)
{
    *body = (struct cor_body){.place = PLAIN};
    unsigned lengths = count(head, "Content-Length");
    unsigned codings = count(head, "Transfer-Encoding");
    if (!has_body(head->status)) {
        body->place = DONE;
        return COR_OK;
    }
    if (lengths + codings > 1) {
        return COR_INVALID;
    }
    if (codings == 1) {
        struct cor_view coding = cor_head_get(head, "Transfer-Encoding");
        body->place = SIZE;
        return coding.len == 7 && strncasecmp(coding.ptr, "chunked", 7) == 0 ? COR_OK : COR_INVALID;
    }
    if (lengths == 1) {
        return cor_view_u64(cor_head_get(head, "Content-Length"), &body->left) ? COR_OK
                                                                               : COR_INVALID;
    }
    body->to_end = true;
    return COR_OK;
}

bool cor_body_may_end(const struct cor_body *body)
{
    return body->to_end || body->place == DONE || (body->place == PLAIN && body->left == 0);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool at_size(struct cor_body *body, char c)
{
    int digit = hex(c);
    if (digit >= 0) {
        body->left = body->left * 16 + (uint64_t)digit;
        return ++body->digits <= SIZE_DIGITS;
    }
    body->place = c == '\r' ? SIZE_LF : EXTENSION;
    return body->digits > 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t');
}

static bool at_extension(struct cor_body *body, char c)
{
    body->place = c == '\r' ? SIZE_LF : EXTENSION;
    return c != '\n';
}

static bool at_size_lf(struct cor_body *body, char c)
{
    body->place = body->left > 0 ? DATA : TRAILER;
    body->digits = 0;
    return c == '\n';
}

static bool at_data_cr(struct cor_body *body, char c)
{
    body->place = DATA_LF;
    return c == '\r';
}

static bool at_data_lf(struct cor_body *body, char c)
{
    body->place = SIZE;
    return c == '\n';
}

static bool at_trailer(struct cor_body *body, char c)
{
    body->place = c == '\r' ? LAST_LF : TRAILER_REST;
    return c != '\n';
}

static bool at_trailer_rest(struct cor_body *body, char c)
{
    body->place = c == '\r' ? TRAILER_LF : TRAILER_REST;
    return c != '\n';
}

static bool at_trailer_lf(struct cor_body *body, char c)
{
    body->place = TRAILER;
    return c == '\n';
}

static bool at_last_lf(struct cor_body *body, char c)
{
    body->place = DONE;
    return c == '\n';
}

/* One byte between the data of chunks. False: broken. */
static bool step(struct cor_body *body, char c)
{
    static bool (*const at[])(struct cor_body *, char) = {
        [SIZE] = at_size,
        [EXTENSION] = at_extension,
        [SIZE_LF] = at_size_lf,
        [DATA_CR] = at_data_cr,
        [DATA_LF] = at_data_lf,
        [TRAILER] = at_trailer,
        [TRAILER_REST] = at_trailer_rest,
        [TRAILER_LF] = at_trailer_lf,
        [LAST_LF] = at_last_lf,
    };
    return at[body->place](body, c);
}

static void take_data(struct cor_body *body, struct cor_view *bytes, struct cor_view *part_r)
{
    size_t n = bytes->len;
    if (!body->to_end && n > body->left) {
        n = (size_t)body->left;
    }
    *part_r = (struct cor_view){bytes->ptr, n};
    bytes->ptr += n;
    bytes->len -= n;
    body->left -= body->to_end ? 0 : n;
    if (body->place == DATA && body->left == 0) {
        body->place = DATA_CR;
    }
}

enum cor_code cor_body_next(struct cor_body *body, struct cor_view *bytes, struct cor_view *part_r)
{
    *part_r = (struct cor_view){bytes->ptr, 0};
    while (bytes->len > 0 && body->place != PLAIN && body->place != DATA && body->place != DONE) {
        char c = bytes->ptr[0];
        bytes->ptr++;
        bytes->len--;
        if (!step(body, c)) {
            return COR_INVALID;
        }
    }
    if (body->place == PLAIN || body->place == DATA) {
        take_data(body, bytes, part_r);
    }
    bool done = body->place == DONE || (body->place == PLAIN && !body->to_end && body->left == 0);
    return done ? COR_OK : COR_RETRY;
}
