// SPDX-License-Identifier: Apache-2.0
#include "quantity.h"

#include <inttypes.h>
#include <stdio.h>

/* Scale of a suffix: value * multiplier / divisor, in nano units so that "n" stays whole. */
static const struct {
    const char *suffix;
    uint64_t base;
    int power;
} suffixes[] = {
    {"", 1, 0},      {"m", 1, 0},     {"u", 1, 0},     {"n", 1, 0},
    {"k", 1000, 1},  {"M", 1000, 2},  {"G", 1000, 3},  {"T", 1000, 4},
    {"P", 1000, 5},  {"E", 1000, 6},  {"Ki", 1024, 1}, {"Mi", 1024, 2},
    {"Gi", 1024, 3}, {"Ti", 1024, 4}, {"Pi", 1024, 5}, {"Ei", 1024, 6},
};

/* An exact number: mantissa * 10^exponent10 * multiplier; sizes are bounded by MANTISSA_DIGITS. */
struct number {
    unsigned __int128 mantissa;
    int exponent;
    bool negative;
};

enum { MANTISSA_DIGITS = 19, EXPONENT_MAX = 30 };

static bool read_mantissa(struct cor_view *text, struct number *out)
{
    int digits = 0;
    bool fraction = false;
    while (text->len > 0 &&
           ((text->ptr[0] >= '0' && text->ptr[0] <= '9') || (text->ptr[0] == '.' && !fraction))) {
        if (text->ptr[0] == '.') {
            fraction = true;
        } else {
            out->mantissa = out->mantissa * 10 + (unsigned)(text->ptr[0] - '0');
            out->exponent -= fraction ? 1 : 0;
            digits++;
        }
        text->ptr++;
        text->len--;
        if (digits > MANTISSA_DIGITS) {
            return false;
        }
    }
    return digits > 0;
}

/* "e3", "E-2": decimal exponents. "E" alone is the suffix for 10^18. */
static bool read_exponent(struct cor_view *text, struct number *out)
{
    if (text->len < 2 || (text->ptr[0] != 'e' && text->ptr[0] != 'E') || text->ptr[1] == 'i') {
        return true;
    }
    struct cor_view digits = {text->ptr + 1, text->len - 1};
    if (digits.ptr[0] == '+') {
        digits.ptr++;
        digits.len--;
    }
    int64_t exponent = 0;
    if (!cor_view_i64(digits, &exponent) || exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX) {
        return false;
    }
    out->exponent += (int)exponent;
    text->len = 0;
    return true;
}

static bool apply_suffix(struct cor_view suffix, struct number *out)
{
    for (size_t i = 0; i < COR_COUNT(suffixes); i++) {
        if (!cor_view_is(suffix, suffixes[i].suffix)) {
            continue;
        }
        for (int p = 0; p < suffixes[i].power; p++) {
            out->mantissa *= suffixes[i].base;
        }
        out->exponent -= cor_view_is(suffix, "m") ? 3 : 0;
        out->exponent -= cor_view_is(suffix, "u") ? 6 : 0;
        out->exponent -= cor_view_is(suffix, "n") ? 9 : 0;
        return true;
    }
    return false;
}

static bool read_number(struct cor_view text, struct number *out)
{
    *out = (struct number){0};
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        out->negative = text.ptr[0] == '-';
        text.ptr++;
        text.len--;
    }
    return read_mantissa(&text, out) && read_exponent(&text, out) && apply_suffix(text, out);
}

/* mantissa * 10^(exponent + shift), rounded away from zero, clamped to int64. */
static int64_t scaled(struct number n, int shift)
{
    const unsigned __int128 limit = (unsigned __int128)INT64_MAX;
    for (int e = n.exponent + shift; e > 0 && n.mantissa <= limit; e--) {
        n.mantissa *= 10;
    }
    bool rest = false;
    for (int e = n.exponent + shift; e < 0; e++) {
        rest = rest || n.mantissa % 10 != 0;
        n.mantissa /= 10;
    }
    n.mantissa += rest && !n.negative ? 1 : 0;
    int64_t value = n.mantissa > limit ? INT64_MAX : (int64_t)n.mantissa;
    return n.negative ? -value : value;
}

bool quantity_milli(struct cor_view text, int64_t *milli_r)
{
    struct number n;
    if (!read_number(text, &n)) {
        return false;
    }
    *milli_r = scaled(n, 3);
    return true;
}

bool quantity_value(struct cor_view text, int64_t *value_r)
{
    struct number n;
    if (!read_number(text, &n)) {
        return false;
    }
    *value_r = scaled(n, 0);
    return true;
}

static bool of_json(const struct cor_json *json, bool (*read)(struct cor_view, int64_t *),
                    int64_t *out_r)
{
    char digits[32];
    if (cor_json_type(json) == COR_JSON_INT) {
        int n = snprintf(digits, sizeof(digits), "%" PRId64, cor_json_as_int(json, 0));
        return read((struct cor_view){digits, (size_t)n}, out_r);
    }
    if (cor_json_type(json) == COR_JSON_REAL) { /* cpu: 0.5 */
        int n = snprintf(digits, sizeof(digits), "%.3f", cor_json_as_real(json, 0));
        return (size_t)n < sizeof(digits) && read((struct cor_view){digits, (size_t)n}, out_r);
    }
    return cor_json_is_string(json) && read(cor_json_as_view(json), out_r);
}

bool quantity_json_milli(const struct cor_json *json, int64_t *milli_r)
{
    return of_json(json, quantity_milli, milli_r);
}

bool quantity_json_value(const struct cor_json *json, int64_t *value_r)
{
    return of_json(json, quantity_value, value_r);
}

int64_t quantity_sum(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}
