// SPDX-License-Identifier: Apache-2.0
#include "common/clock/clock.h"

#include <stdio.h>
#include <time.h>

#include "common/base/must.h"

static void format(struct cor_wall t, const char *fraction, char out[COR_RFC3339_SIZE])
{
    int64_t us = t.us % 1000000;
    time_t sec = (time_t)(t.us / 1000000);
    if (us < 0) {
        sec--;
    }
    struct tm tm = {0};
    must(gmtime_r(&sec, &tm) != NULL);
    size_t n = strftime(out, COR_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    must(n > 0 && n + 12 <= COR_RFC3339_SIZE);
    (void)snprintf(out + n, COR_RFC3339_SIZE - n, "%sZ", fraction);
}

static int fraction_of(struct cor_wall t)
{
    int us = (int)(t.us % 1000000);
    return us < 0 ? us + 1000000 : us;
}

void cor_wall_format(struct cor_wall t, char out[COR_RFC3339_SIZE])
{
    format(t, "", out);
}

void cor_wall_format_us(struct cor_wall t, char out[COR_RFC3339_SIZE])
{
    char fraction[16];
    (void)snprintf(fraction, sizeof(fraction), ".%06d", fraction_of(t));
    format(t, fraction, out);
}

void cor_wall_format_ns(struct cor_wall t, char out[COR_RFC3339_SIZE])
{
    char fraction[16];
    (void)snprintf(fraction, sizeof(fraction), ".%06d000", fraction_of(t));
    format(t, fraction, out);
}

/* Number of digits decimal digits at *at; moves *at behind them. */
static bool digits(struct cor_view text, size_t *at, size_t count, int *out_r)
{
    int value = 0;
    if (text.len - *at < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char c = text.ptr[*at + i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *at += count;
    *out_r = value;
    return true;
}

static bool sign(struct cor_view text, size_t *at, const char *one_of, char *out_r)
{
    if (*at >= text.len) {
        return false;
    }
    for (const char *c = one_of; *c != '\0'; c++) {
        if (text.ptr[*at] == *c) {
            *out_r = *c;
            (*at)++;
            return true;
        }
    }
    return false;
}

static bool fraction(struct cor_view text, size_t *at, int64_t *us_r)
{
    int64_t us = 0;
    int64_t unit = 100000;
    size_t start = *at;
    while (*at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9') {
        us += (text.ptr[*at] - '0') * unit;
        unit /= 10;
        (*at)++;
    }
    *us_r = us;
    return *at > start;
}

static bool zone(struct cor_view text, size_t *at, int64_t *offset_r)
{
    char c = 0;
    int hours = 0;
    int minutes = 0;
    if (!sign(text, at, "Zz+-", &c)) {
        return false;
    }
    if (c == 'Z' || c == 'z') {
        *offset_r = 0;
        return true;
    }
    if (!digits(text, at, 2, &hours) || !sign(text, at, ":", &(char){0}) ||
        !digits(text, at, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *offset_r = (int64_t)(hours * 60 + minutes) * 60 * (c == '-' ? -1 : 1);
    return true;
}

bool cor_wall_parse(struct cor_view text, struct cor_wall *out_r)
{
    struct tm tm = {0};
    size_t at = 0;
    char c = 0;
    int64_t us = 0;
    int64_t offset = 0;
    if (!digits(text, &at, 4, &tm.tm_year) || !sign(text, &at, "-", &c) ||
        !digits(text, &at, 2, &tm.tm_mon) || !sign(text, &at, "-", &c) ||
        !digits(text, &at, 2, &tm.tm_mday) || !sign(text, &at, "Tt ", &c) ||
        !digits(text, &at, 2, &tm.tm_hour) || !sign(text, &at, ":", &c) ||
        !digits(text, &at, 2, &tm.tm_min) || !sign(text, &at, ":", &c) ||
        !digits(text, &at, 2, &tm.tm_sec)) {
        return false;
    }
    if (sign(text, &at, ".", &c) && !fraction(text, &at, &us)) {
        return false;
    }
    if (!zone(text, &at, &offset) || at != text.len || tm.tm_mon < 1 || tm.tm_mon > 12 ||
        tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    out_r->us = ((int64_t)timegm(&tm) - offset) * 1000000 + us;
    return true;
}
