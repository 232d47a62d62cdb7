// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <string.h>

enum { NAME_MAX_LEN = 255, TAG_MAX_LEN = 128 };

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* a-z0-9 runs joined by '.', '_', '__' or dashes; alphanumeric at both ends. */
static bool is_component(struct cor_view text)
{
    if (text.len == 0 || !is_lower(text.ptr[0]) || !is_lower(text.ptr[text.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool joint = c == '.' || c == '_' || c == '-';
        bool doubled =
            joint && c != '-' && text.ptr[i - 1] == c && (c == '.' || text.ptr[i - 2] == c);
        if ((!is_lower(c) && !joint) || doubled) {
            return false;
        }
    }
    return true;
}

static bool is_host(struct cor_view text)
{
    const char *colon = memchr(text.ptr, ':', text.len);
    size_t host = colon == NULL ? text.len : (size_t)(colon - text.ptr);
    for (size_t i = 0; i < host; i++) {
        if (!is_word(text.ptr[i]) && text.ptr[i] != '.' && text.ptr[i] != '-') {
            return false;
        }
    }
    uint64_t port = 0;
    return host > 0 && (colon == NULL ||
                        cor_view_u64((struct cor_view){colon + 1, text.len - host - 1}, &port));
}

static bool is_tag(struct cor_view text)
{
    if (text.len == 0 || text.len > TAG_MAX_LEN || !is_word(text.ptr[0])) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_word(text.ptr[i]) && text.ptr[i] != '.' && text.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool is_digest(struct cor_view text)
{
    static const char prefix[] = "sha256:";
    if (!cor_view_starts(text, prefix) || text.len != sizeof(prefix) - 1 + 64) {
        return false;
    }
    for (size_t i = sizeof(prefix) - 1; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
            return false;
        }
    }
    return true;
}

/* Cuts what follows the last sep off *text, if sep comes after the last slash. */
static bool cut(struct cor_view *text, char sep, struct cor_view *part_r)
{
    for (size_t i = text->len; i > 0 && text->ptr[i - 1] != '/'; i--) {
        if (text->ptr[i - 1] == sep) {
            *part_r = (struct cor_view){text->ptr + i, text->len - i};
            text->len = i - 1;
            return true;
        }
    }
    return false;
}

/* The first part names a registry if it looks like a host: a dot, a port, or localhost. */
static size_t registry_len(struct cor_view name)
{
    const char *slash = memchr(name.ptr, '/', name.len);
    if (slash == NULL) {
        return 0;
    }
    struct cor_view first = {name.ptr, (size_t)(slash - name.ptr)};
    bool host = memchr(first.ptr, '.', first.len) != NULL ||
                memchr(first.ptr, ':', first.len) != NULL || cor_view_is(first, "localhost");
    return host ? first.len : 0;
}

static bool is_path(struct cor_view path)
{
    struct cor_view part;
    while (cor_view_split(&path, '/', &part)) {
        if (!is_component(part)) {
            return false;
        }
    }
    return true;
}

bool image_is_valid(struct cor_view name)
{
    struct cor_view part = {0};
    if (name.len == 0 || (cut(&name, '@', &part) && !is_digest(part)) ||
        (cut(&name, ':', &part) && !is_tag(part)) || name.len == 0 || name.len > NAME_MAX_LEN) {
        return false;
    }
    size_t host = registry_len(name);
    if (host > 0 && !is_host((struct cor_view){name.ptr, host})) {
        return false;
    }
    size_t skip = host > 0 ? host + 1 : 0;
    return name.len > skip && is_path((struct cor_view){name.ptr + skip, name.len - skip});
}

bool image_lacks_tag(struct cor_view name)
{
    struct cor_view part;
    return !cut(&name, '@', &part) && !cut(&name, ':', &part);
}

struct cor_view image_registry(struct cor_view name)
{
    size_t host = name.len == 0 ? 0 : registry_len(name);
    return host > 0 ? (struct cor_view){name.ptr, host} : COR_VIEW("docker.io");
}
