// SPDX-License-Identifier: Apache-2.0
#include "quantity.h"

#include <string.h>

#include "common/base/attr.h"

#define NANO ((__int128)1000000000)
#define LIMIT (((__int128)1 << 63) * NANO)

static const struct {
    const char *suffix;
    int exponent; /* of 10, or of 2 */
    bool binary;
} suffixes[] = {
    {"n", -9, false}, {"u", -6, false}, {"m", -3, false}, {"", 0, false},
    {"k", 3, false},  {"M", 6, false},  {"G", 9, false},  {"T", 12, false},
    {"P", 15, false}, {"E", 18, false}, {"Ki", 10, true}, {"Mi", 20, true},
    {"Gi", 30, true}, {"Ti", 40, true}, {"Pi", 50, true}, {"Ei", 60, true},
};

/* Digits with at most one point, as a number and how many digits stand behind the point. */
static bool read_number(struct cor_view *text, __int128 *number_r, int *behind_r)
{
    size_t at = 0;
    int digits = 0;
    bool point = false;
    __int128 number = 0;
    *behind_r = 0;
    for (; at < text->len; at++) {
        char c = text->ptr[at];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') {
            break;
        }
        digits++;
        if (point && *behind_r >= 12) {
            continue; /* beyond nano: cut */
        }
        if (number > LIMIT) {
            return false;
        }
        number = number * 10 + (c - '0');
        *behind_r += point ? 1 : 0;
    }
    *number_r = number;
    *text = (struct cor_view){text->ptr + at, text->len - at};
    return digits > 0;
}

static bool read_suffix(struct cor_view text, int *exponent_r, struct kl_quantity *out)
{
    for (size_t i = 0; i < COR_COUNT(suffixes); i++) {
        if (cor_view_is(text, suffixes[i].suffix)) {
            *exponent_r = suffixes[i].exponent;
            out->format = suffixes[i].binary ? KL_BINARY : KL_DECIMAL;
            return true;
        }
    }
    int64_t exponent = 0;
    if (text.len < 2 || (text.ptr[0] != 'e' && text.ptr[0] != 'E')) {
        return false;
    }
    struct cor_view rest = {text.ptr + 1, text.len - 1};
    if (rest.ptr[0] == '+') {
        rest = (struct cor_view){rest.ptr + 1, rest.len - 1};
    }
    if (!cor_view_i64(rest, &exponent) || exponent > 18 || exponent < -18) {
        return false;
    }
    *exponent_r = (int)exponent;
    out->format = KL_EXPONENT;
    return true;
}

/* number * 10^power, rounded up. */
static __int128 scale(__int128 number, int power)
{
    for (; power > 0; power--) {
        if (number > LIMIT) {
            return LIMIT;
        }
        number *= 10;
    }
    bool rest = false;
    for (; power < 0; power++) {
        rest = rest || number % 10 != 0;
        number /= 10;
    }
    return number + (rest ? 1 : 0);
}

bool kl_quantity_parse(struct cor_view text, struct kl_quantity *out_r)
{
    bool negative = false;
    if (text.len > 0 && text.len < KL_QUANTITY_LEN && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        negative = text.ptr[0] == '-';
        text = (struct cor_view){text.ptr + 1, text.len - 1};
    }
    __int128 number = 0;
    int behind = 0;
    int exponent = 0;
    struct kl_quantity out = {0};
    if (text.len == 0 || text.len >= KL_QUANTITY_LEN || !read_number(&text, &number, &behind) ||
        !read_suffix(text, &exponent, &out)) {
        return false;
    }
    if (out.format == KL_BINARY) {
        for (int i = 0; i < exponent && number <= LIMIT; i++) {
            number *= 2;
        }
        out.nano = scale(number, 9 - behind);
    } else {
        out.nano = scale(number, 9 - behind + exponent);
    }
    if (out.nano >= LIMIT) {
        return false;
    }
    out.nano = negative ? -out.nano : out.nano;
    *out_r = out;
    return true;
}

static void format_decimal(__int128 nano, bool exponent_form, struct cor_buf *out)
{
    static const char *const names[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    size_t step = 0;
    while (nano != 0 && nano % 1000 == 0 && step + 1 < COR_COUNT(names)) {
        nano /= 1000;
        step++;
    }
    cor_buf_fmt(out, "%lld", (long long)nano);
    if (!exponent_form) {
        cor_buf_str(out, nano == 0 ? "" : names[step]);
    } else if (nano != 0 && step != 3) {
        cor_buf_fmt(out, "e%d", ((int)step - 3) * 3);
    }
}

void kl_quantity_format(struct kl_quantity quantity, struct cor_buf *out)
{
    static const char *const names[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    __int128 size = quantity.nano < 0 ? -quantity.nano : quantity.nano;
    if (quantity.format != KL_BINARY || size < 1024 * NANO) {
        format_decimal(quantity.nano, quantity.format == KL_EXPONENT, out);
        return;
    }
    __int128 whole = (size + NANO - 1) / NANO;
    size_t step = 0;
    while (whole % 1024 == 0 && step + 1 < COR_COUNT(names)) {
        whole /= 1024;
        step++;
    }
    cor_buf_fmt(out, "%s%lld%s", quantity.nano < 0 ? "-" : "", (long long)whole, names[step]);
}

int64_t kl_quantity_milli(struct cor_view text)
{
    struct kl_quantity quantity;
    if (!kl_quantity_parse(text, &quantity)) {
        return 0;
    }
    __int128 milli = quantity.nano / 1000000 + (quantity.nano % 1000000 > 0 ? 1 : 0);
    return milli > INT64_MAX ? INT64_MAX : (int64_t)milli;
}
