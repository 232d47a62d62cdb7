// SPDX-License-Identifier: Apache-2.0
#include "shape_text.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/text.h"

const char *shape_label(struct cor_view text)
{
    return cor_is_dns_label(text)
               ? NULL
               : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
                 "'-', and must start and end with an alphanumeric character";
}

const char *shape_subdomain(struct cor_view text)
{
    return cor_is_dns_subdomain(text)
               ? NULL
               : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                 "characters, '-' or '.'";
}

/* A name that can be a part of a path of the API (apimachinery ValidatePathSegmentName). */
const char *shape_segment(struct cor_view text)
{
    if (cor_view_is(text, ".") || cor_view_is(text, "..")) {
        return "may not be '.' or '..'";
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '/' || text.ptr[i] == '%') {
            return "may not contain '/' or '%'";
        }
    }
    return text.len <= 253 ? NULL : "must be no more than 253 characters";
}

const char *shape_no_backsteps(struct cor_view text)
{
    struct cor_view part;
    while (cor_view_split(&text, '/', &part)) {
        if (cor_view_is(part, "..")) {
            return "must not contain '..'";
        }
    }
    return NULL;
}

const char *shape_descending(struct cor_view text)
{
    return text.len > 0 && text.ptr[0] == '/' ? "must be a relative path"
                                              : shape_no_backsteps(text);
}

const char *shape_not_reserved(struct cor_view text)
{
    const char *why = shape_descending(text);
    return why == NULL && cor_view_starts(text, "..") ? "must not start with '..'" : why;
}

const char *shape_absolute(struct cor_view text)
{
    return text.ptr[0] == '/' ? shape_no_backsteps(text) : "must be an absolute path";
}

const char *shape_address(struct cor_view text)
{
    char copy[INET6_ADDRSTRLEN] = "";
    unsigned char out[sizeof(struct in6_addr)];
    if (text.len < sizeof(copy)) {
        memcpy(copy, text.ptr, text.len);
    }
    return inet_pton(AF_INET, copy, out) == 1 || inet_pton(AF_INET6, copy, out) == 1
               ? NULL
               : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* An IANA service name (RFC 6335). */
const char *shape_port_name(struct cor_view text)
{
    bool letter = false;
    bool good = text.len <= 15 && text.ptr[0] != '-' && text.ptr[text.len - 1] != '-';
    for (size_t i = 0; good && i < text.len; i++) {
        letter = letter || is_lower(text.ptr[i]);
        good = is_lower(text.ptr[i]) || is_digit(text.ptr[i]) ||
               (text.ptr[i] == '-' && text.ptr[i - 1] != '-');
    }
    return good && letter ? NULL
                          : "must be no more than 15 characters a-z, 0-9 and single hyphens, with "
                            "at least one letter";
}

const char *shape_env_name(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] > '~' || text.ptr[i] == '=') {
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
        }
    }
    return NULL;
}

const char *shape_sysctl_name(struct cor_view text)
{
    bool good = text.len <= 253;
    bool inside = false; /* of a part: before a '.', '/' or the end there is a letter or digit */
    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.ptr[i];
        bool word = is_lower(c) || is_digit(c);
        good = word || (i > 0 && strchr(inside ? "-_./" : "-_", c) != NULL && c != '\0' &&
                        text.ptr[i - 1] != '.' && text.ptr[i - 1] != '/');
        inside = word;
    }
    return good && inside ? NULL
                          : "must have at most 253 characters and match regex "
                            "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
}

/* A word of resolv.conf: no blanks, no line ends. */
const char *shape_resolv_word(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return "must consist of printable characters without blanks";
        }
    }
    return NULL;
}

const char *shape_trimmed(struct cor_view text)
{
    return cor_view_eq(cor_view_trim(text), text) ? NULL
                                                  : "must not have leading or trailing whitespace";
}

const char *shape_medium(struct cor_view text)
{
    return cor_view_is(text, "Memory") || cor_view_is(text, "HugePages") ||
                   cor_view_starts(text, "HugePages-")
               ? NULL
               : "must be Memory, HugePages or HugePages-SIZE";
}

const char *shape_one_line(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t') || text.ptr[i] == 127) {
            return "must not contain control characters";
        }
    }
    return NULL;
}

const char *shape_header_name(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_lower(c) && !is_digit(c) && !(c >= 'A' && c <= 'Z') && c != '-') {
            return "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                   "'X-Header-Name')";
        }
    }
    return NULL;
}
