// SPDX-License-Identifier: Apache-2.0
#include "proto/kubeedge/tunnel.h"

#include <string.h>

#include "common/base/mem.h"

/* Of a header, as in messages.def; of method and target as in STREAM_OPEN. */
enum { NAME_MAX_BYTES = 128, VALUE_MAX = 8192, METHOD_MAX = 16, TARGET_MAX = 16384, BITS = 64 };

/* ---- frames ---- */

static void put_varint(uint64_t value, struct cor_buf *out)
{
    for (; value >= 0x80; value >>= 7) {
        char low = (char)(value | 0x80);
        cor_buf_add(out, &low, 1);
    }
    char last = (char)value;
    cor_buf_add(out, &last, 1);
}

static bool get_varint(struct cor_view *bytes, uint64_t *value_r)
{
    *value_r = 0;
    for (unsigned shift = 0; shift < BITS && bytes->len > 0; shift += 7) {
        uint64_t byte = (unsigned char)bytes->ptr[0];
        bytes->ptr++;
        bytes->len--;
        if (shift == 63 && byte > 1) {
            return false;
        }
        *value_r |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

void px_tunnel_write(const struct px_tunnel_frame *frame, struct cor_buf *out)
{
    put_varint(frame->id, out);
    put_varint(frame->type, out);
    cor_buf_view(out, frame->data);
}

enum cor_code px_tunnel_read(struct cor_view bytes, struct px_tunnel_frame *frame_r,
                             struct cor_err *err)
{
    if (!get_varint(&bytes, &frame_r->id) || !get_varint(&bytes, &frame_r->type)) {
        return cor_err_set(err, COR_INVALID, "a frame of the tunnel without its numbers");
    }
    if (bytes.len > PX_TUNNEL_DATA_MAX) {
        return cor_err_set(err, COR_TOOBIG, "a frame of the tunnel over 1 MiB");
    }
    frame_r->data = bytes;
    return COR_OK;
}

/* ---- paths: percent-encoding ---- */

static int hex_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* False: broken, or no text. */
static bool decode(struct cor_view path, struct cor_buf *out)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '%') {
            int high = path.len - i > 2 ? hex_of(path.ptr[i + 1]) : -1;
            int low = path.len - i > 2 ? hex_of(path.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        cor_buf_add(out, &c, 1);
    }
    return cor_view_is_utf8(cor_buf_as_view(out));
}

static bool is_unreserved(char c)
{
    static const char marks[] = "-_.~/$&+,:;=@";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(marks, c) != NULL);
}

/* As Go encodes a path by itself (net/url escape). */
static void encode(struct cor_view path, struct cor_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        const char escaped[] = {'%', digits[c >> 4], digits[c & 15]};
        bool plainly = is_unreserved(path.ptr[i]);
        cor_buf_add(out, plainly ? path.ptr + i : escaped, plainly ? 1 : sizeof(escaped));
    }
}

/* What another encoding of a path may consist of (net/url validEncoded). */
static bool is_encoded(struct cor_view raw)
{
    static const char others[] = "!'()*[]%";
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (!is_unreserved(c) && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return raw.len > 0;
}

static void split(struct cor_view target, struct cor_view *path_r, struct cor_view *query_r)
{
    const char *mark = target.len == 0 ? NULL : memchr(target.ptr, '?', target.len);
    size_t len = mark == NULL ? target.len : (size_t)(mark - target.ptr);
    size_t behind = mark == NULL ? len : len + 1;
    *path_r = (struct cor_view){target.ptr, len};
    *query_r = (struct cor_view){target.ptr + behind, target.len - behind};
}

/* ---- requests: structs of Go as JSON, a net/url.URL among them ---- */

static struct cor_json *url_of(struct cor_view target)
{
    auto_(cor_buf_free) struct cor_buf plain = {0};
    auto_(cor_buf_free) struct cor_buf usual = {0};
    struct cor_view path;
    struct cor_view query;
    struct cor_json *url = cor_json_object();
    split(target, &path, &query);
    (void)decode(path, &plain);
    encode(cor_buf_as_view(&plain), &usual);
    bool is_usual = cor_view_eq(path, cor_buf_as_view(&usual)); /* net/url setPath */
    cor_json_set(url, "Scheme", cor_json_str("http"));
    cor_json_set(url, "Opaque", cor_json_str(""));
    cor_json_set(url, "User", cor_json_null());
    cor_json_set(url, "Host", cor_json_str("127.0.0.1:10350"));
    cor_json_set(url, "Path", cor_json_view(cor_buf_as_view(&plain)));
    cor_json_set(url, "RawPath", cor_json_view(is_usual ? COR_VIEW("") : path));
    cor_json_set(url, "OmitHost", cor_json_bool(false));
    cor_json_set(url, "ForceQuery", cor_json_bool(false));
    cor_json_set(url, "RawQuery", cor_json_view(query.len > 0 ? query : COR_VIEW("")));
    cor_json_set(url, "Fragment", cor_json_str(""));
    cor_json_set(url, "RawFragment", cor_json_str(""));
    return url;
}

static struct cor_json *headers_of(const struct px_tunnel_ask *ask)
{
    struct cor_json *headers = cor_json_object();
    for (size_t i = 0; i < ask->header_count; i++) {
        auto_(cor_freep) char *name = cor_view_dup(ask->headers[i].name);
        struct cor_json *values = cor_json_get(headers, name);
        if (values == NULL) {
            values = cor_json_array();
            cor_json_set(headers, name, values);
        }
        cor_json_add(values, cor_json_view(ask->headers[i].value));
    }
    return headers;
}

bool px_tunnel_is_sayable(struct cor_view target)
{
    auto_(cor_buf_free) struct cor_buf plain = {0};
    struct cor_view path;
    struct cor_view query;
    split(target, &path, &query);
    return decode(path, &plain);
}

void px_tunnel_ask_write(uint64_t id, enum px_tunnel_type type, const struct px_tunnel_ask *ask,
                         struct cor_buf *out)
{
    auto_(cor_json_free) struct cor_json *body = cor_json_object();
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_set(body, "MessID", cor_json_int((int64_t)id));
    cor_json_set(body, "url", url_of(ask->target));
    cor_json_set(body, "header", headers_of(ask));
    if (ask->method.ptr != NULL) {
        cor_json_set(body, "method", cor_json_view(ask->method));
    }
    cor_json_write(body, &text);
    struct px_tunnel_frame frame = {id, type, cor_buf_as_view(&text)};
    px_tunnel_write(&frame, out);
}

/* What may stand in a line of HTTP: no control characters, in a target no blanks either. */
static bool is_sayable(struct cor_view text, char least)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < (unsigned char)least || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* As Go does it (net/url EscapedPath): RawPath, if it is an encoding of Path. */
static void write_path(struct cor_view path, struct cor_view raw, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf plain = {0};
    if (is_encoded(raw) && decode(raw, &plain) && cor_view_eq(cor_buf_as_view(&plain), path)) {
        cor_buf_view(out, raw);
    } else {
        encode(path, out);
    }
}

static bool read_target(const struct cor_json *url, struct cor_buf *out)
{
    struct cor_view path = cor_json_as_view(cor_json_get(url, "Path"));
    struct cor_view raw = cor_json_as_view(cor_json_get(url, "RawPath"));
    struct cor_view query = cor_json_as_view(cor_json_get(url, "RawQuery"));
    if (path.len == 0 || path.ptr[0] != '/' || !is_sayable(query, '!')) {
        return false;
    }
    write_path(path, raw, out);
    if (query.len > 0) {
        cor_buf_str(out, "?");
        cor_buf_view(out, query);
    }
    return out->len <= TARGET_MAX;
}

static bool is_header(struct cor_view name, struct cor_view value)
{
    return name.len > 0 && name.len <= NAME_MAX_BYTES && value.len <= VALUE_MAX &&
           is_sayable(name, '!') && memchr(name.ptr, ':', name.len) == NULL &&
           is_sayable(value, ' ');
}

static void read_headers(struct px_tunnel_asked *asked)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *values = NULL;
    const struct cor_json *all = cor_json_get(asked->tree, "header");
    while (cor_json_each(all, &at, &key, &values)) {
        for (size_t i = 0; i < cor_json_count(values); i++) {
            struct cor_view name = cor_view_of(key);
            struct cor_view value = cor_json_as_view(cor_json_item(values, i));
            if (asked->header_count < PX_TUNNEL_HEADERS_MAX && is_header(name, value)) {
                asked->headers[asked->header_count++] = (struct px_header){name, value};
            }
        }
    }
}

enum cor_code px_tunnel_ask_read(const struct px_tunnel_frame *frame,
                                 struct px_tunnel_asked *asked_r, struct cor_err *err)
{
    *asked_r = (struct px_tunnel_asked){0};
    enum cor_code code = cor_json_parse(frame->data, PX_TUNNEL_DATA_MAX, 0, &asked_r->tree, err);
    if (code != COR_OK) {
        return code;
    }
    bool said = frame->type == PX_TUNNEL_EXEC || frame->type == PX_TUNNEL_ATTACH;
    struct cor_view method = cor_json_as_view(cor_json_get(asked_r->tree, "method"));
    asked_r->method = said && method.len > 0 ? method.ptr : "GET";
    if (method.len > METHOD_MAX || !is_sayable(method, '!') ||
        !read_target(cor_json_get(asked_r->tree, "url"), &asked_r->target)) {
        px_tunnel_asked_free(asked_r);
        return cor_err_set(err, COR_INVALID, "a request in the tunnel that HTTP cannot say");
    }
    read_headers(asked_r);
    return COR_OK;
}

void px_tunnel_asked_free(struct px_tunnel_asked *asked)
{
    cor_json_free(&asked->tree);
    cor_buf_free(&asked->target);
    *asked = (struct px_tunnel_asked){0};
}
