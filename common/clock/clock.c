// SPDX-License-Identifier: Apache-2.0
#include "common/clock/clock.h"

#include <inttypes.h>
#include <stdio.h>

enum { DAY_S = 86400, ERA_DAYS = 146097, ERA_YEARS = 400, BEFORE_1970 = 719468 };

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

/* Days since 1970 of a day of the Gregorian calendar. Years begin in March: the leap day is the
 * last one. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, ERA_YEARS);
    int64_t of_era = y - era * ERA_YEARS;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - BEFORE_1970;
}

struct date {
    int64_t year;
    int month;
    int day;
};

static struct date date_of(int64_t days)
{
    int64_t z = days + BEFORE_1970;
    int64_t era = floor_div(z, ERA_DAYS);
    int64_t of_era = z - era * ERA_DAYS;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t month = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * month + 2) / 5 + 1;
    int64_t year = y + era * ERA_YEARS + (month >= 10 ? 1 : 0);
    return (struct date){year, (int)(month < 10 ? month + 3 : month - 9), (int)day};
}

static char *put(char *at, int64_t value, int count, char after)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    at[count] = after;
    return at + count + 1;
}

/* A year of more digits, or before our era. */
static int put_odd_year(int64_t year, char out[COR_RFC3339_SIZE])
{
    return snprintf(out, COR_RFC3339_SIZE, "%" PRId64 "-", year);
}

/* count: digits of the fraction. */
static void format(struct cor_wall t, int count, char out[COR_RFC3339_SIZE])
{
    int64_t s = floor_div(t.us, 1000000);
    int64_t days = floor_div(s, DAY_S);
    int64_t of_day = s - days * DAY_S;
    int64_t us = t.us % 1000000 + (t.us % 1000000 < 0 ? 1000000 : 0);
    struct date date = date_of(days);
    bool is_usual = date.year >= 0 && date.year <= 9999;
    char *at = is_usual ? put(out, date.year, 4, '-') : out + put_odd_year(date.year, out);
    at = put(at, date.month, 2, '-');
    at = put(at, date.day, 2, 'T');
    at = put(at, of_day / 3600, 2, ':');
    at = put(at, of_day / 60 % 60, 2, ':');
    at = put(at, of_day % 60, 2, count > 0 ? '.' : 'Z');
    if (count > 0) {
        at = put(at, count > 6 ? us * 1000 : us, count, 'Z');
    }
    *at = '\0';
}

void cor_wall_format(struct cor_wall t, char out[COR_RFC3339_SIZE])
{
    format(t, 0, out);
}

void cor_wall_format_us(struct cor_wall t, char out[COR_RFC3339_SIZE])
{
    format(t, 6, out);
}

void cor_wall_format_ns(struct cor_wall t, char out[COR_RFC3339_SIZE])
{
    format(t, 9, out);
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
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    size_t at = 0;
    char c = 0;
    int64_t us = 0;
    int64_t offset = 0;
    if (!digits(text, &at, 4, &year) || !sign(text, &at, "-", &c) ||
        !digits(text, &at, 2, &month) || !sign(text, &at, "-", &c) || !digits(text, &at, 2, &day) ||
        !sign(text, &at, "Tt ", &c) || !digits(text, &at, 2, &hour) || !sign(text, &at, ":", &c) ||
        !digits(text, &at, 2, &minute) || !sign(text, &at, ":", &c) ||
        !digits(text, &at, 2, &second)) {
        return false;
    }
    if (sign(text, &at, ".", &c) && !fraction(text, &at, &us)) {
        return false;
    }
    if (!zone(text, &at, &offset) || at != text.len || month < 1 || month > 12 || day < 1 ||
        day > 31 || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    int64_t of_day = (int64_t)(hour * 60 + minute) * 60 + second;
    out_r->us = (days_of(year, month, day) * DAY_S + of_day - offset) * 1000000 + us;
    return true;
}
