// SPDX-License-Identifier: Apache-2.0
#include "common/base/err.h"

#include <stdio.h>
#include <string.h>

const char *cor_code_name(enum cor_code code)
{
    switch (code) {
#define X(name, number, text)                                                                      \
    case COR_##name:                                                                               \
        return text;
        COR_CODES(X)
#undef X
    case COR_CODE_COUNT:
        break;
    }
    return "unknown";
}

/* One line: control characters become blanks, a cut text ends in "...". */
static void tidy(struct cor_err *err, int wanted)
{
    for (char *c = err->text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            *c = ' ';
        }
    }
    if (wanted >= (int)sizeof(err->text)) {
        memcpy(err->text + sizeof(err->text) - 4, "...", 4);
    }
}

enum cor_code(cor_err_set)(struct cor_err *err, enum cor_code code, const char *fmt, ...)
{
    if (err == NULL) {
        return code;
    }
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err->code = code;
    err->sys = 0;
    memcpy(err->text, text, sizeof(text));
    tidy(err, wanted);
    return code;
}

enum cor_code(cor_err_sys)(struct cor_err *err, enum cor_code code, int sys, const char *fmt, ...)
{
    if (err == NULL) {
        return code;
    }
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    char reason[80];
    const char *why = strerror_r(sys, reason, sizeof(reason));
    err->code = code;
    err->sys = sys;
    int wanted = snprintf(err->text, sizeof(err->text), "%s: %s", text, why);
    tidy(err, wanted);
    return code;
}

enum cor_code cor_err_wrap(struct cor_err *err, const char *fmt, ...)
{
    if (err == NULL) {
        return COR_INTERNAL;
    }
    char context[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(context, sizeof(context), fmt, args);
    va_end(args);
    char old[sizeof(err->text)];
    memcpy(old, err->text, sizeof(old));
    int wanted = snprintf(err->text, sizeof(err->text), "%s: %s", context, old);
    tidy(err, wanted);
    return err->code;
}
