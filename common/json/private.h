// SPDX-License-Identifier: Apache-2.0
// What the files of this room share: how a value is laid out.
#ifndef COR_JSON_PRIVATE_H
#define COR_JSON_PRIVATE_H

#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#include "common/base/map.h"
#include "common/json/json.h"

/* Keys of up to 19 bytes, nearly all, stand in the member itself. */
enum { COR_JSON_NEAR = 20 };

struct cor_json_member {
    struct cor_json *value;   /* NULL: removed, the place is left until members are packed */
    uint32_t len;             /* of the key */
    char near[COR_JSON_NEAR]; /* the key, or the address of its copy when it does not fit */
};

struct cor_json {
    atomic_uint refs; /* 0: one of the program's own, never freed */
    enum cor_json_type type;
    union {
        int64_t integer; /* of COR_JSON_BOOL too */
        double real;
        struct {
            size_t len;
            char bytes[]; /* and a NUL */
        } text;
        struct {
            struct cor_json **items;
            uint32_t count;
            uint32_t cap;
        } array;
        struct {
            struct cor_json_member *members; /* in order */
            uint32_t used;                   /* removed ones too */
            uint32_t cap;
            uint32_t count;
            struct cor_map *index; /* number of a member plus one, by key; NULL: they are few */
        } object;
    };
};

/* ---- heap.c: memory of values; never NULL (the simulation has its own) ---- */

void *cor_json_heap_get(size_t size);
void cor_json_heap_put(void *block);

/* ---- value.c ---- */

/* A new string of len bytes; they are the caller's to check. Returns owned. */
struct cor_json *cor_json_text_new(const char *bytes, size_t len);

/* The member of an object; NULL: none. Borrowed, until one is added. */
struct cor_json_member *cor_json_find(const struct cor_json *object, struct cor_view key);

/* The member of that key, with a null where it is new. Borrowed, until one is added. */
struct cor_json_member *cor_json_place(struct cor_json *object, struct cor_view key);

/* A copy of an object and all that is in it. Returns owned. */
struct cor_json *cor_json_copy_object(const struct cor_json *object);

/* Sets the value of a member (takes). */
void cor_json_fill(struct cor_json_member *member, struct cor_json *value);

/* Removes a member of the object. */
void cor_json_remove(struct cor_json *object, struct cor_json_member *member);

/* Its key, which ends with a NUL. Borrowed, until a member is added. */
static inline const char *cor_json_key(const struct cor_json_member *member)
{
    const char *far = NULL;
    if (member->len < COR_JSON_NEAR) {
        return member->near;
    }
    memcpy(&far, member->near, sizeof(far));
    return far;
}

/* ---- read.c ---- */

/* The value of a text that is plain; NULL: it is not, ask jansson. strict: a key twice is not
 * plain. Returns owned. */
struct cor_json *cor_json_read_plain(struct cor_view text, bool strict);

/* ---- odd.c: what is left to jansson ---- */

/* Reads any text, or says what is wrong with it. Returns owned in *out_r. */
COR_NODISCARD enum cor_code cor_json_read_odd(struct cor_view text, int flags,
                                              struct cor_json **out_r, struct cor_err *err);

/* Appends a number that is no integer. */
void cor_json_write_real(double value, struct cor_buf *buf);

/* ---- */

/* Marks (the highest bit of) the bytes of a word that a string cannot hold as they are: quote,
 * backslash, control characters. Above the lowest mark there may be false ones. */
static inline uint64_t cor_json_odd(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ (ones * '"');
    uint64_t slash = word ^ (ones * '\\');
    uint64_t odd =
        ((word - ones * ' ') & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
    return odd & (ones << 7);
}

/* Length of what stands for itself in a string. *ascii_r: whether it is ASCII. */
static inline size_t cor_json_plain_run(const char *text, size_t len, bool *ascii_r)
{
    uint64_t word = 0;
    uint64_t odd = 0;
    uint64_t seen = 0;
    size_t at = 0;
    while (odd == 0 && at < len) {
        size_t n = len - at < sizeof(word) ? len - at : sizeof(word);
        word = UINT64_C(0x2020202020202020);
        if (n == sizeof(word)) {
            memcpy(&word, text + at, sizeof(word));
        } else {
            memcpy(&word, text + at, n);
        }
        word = le64toh(word);
        odd = cor_json_odd(word);
        size_t plain = odd == 0 ? n : (size_t)__builtin_ctzll(odd) / 8;
        seen |= plain == 0 ? 0 : word << (8 * (sizeof(word) - plain));
        at += plain;
    }
    *ascii_r = (seen & UINT64_C(0x8080808080808080)) == 0;
    return at;
}

#endif
