// SPDX-License-Identifier: Apache-2.0
#include "protobuf.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"

enum { DEPTH_MAX = 40, WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* One field as it stands on the wire. */
struct wire {
    unsigned number;
    unsigned type;
    uint64_t value;
    struct cor_view bytes;
};

static bool varint(struct cor_view *in, uint64_t *out_r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)*in->ptr;
        *in = (struct cor_view){in->ptr + 1, in->len - 1};
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out_r = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct cor_view *in, uint64_t len, struct cor_view *out_r)
{
    if (len > in->len) {
        return false;
    }
    *out_r = (struct cor_view){in->ptr, (size_t)len};
    *in = (struct cor_view){in->ptr + len, in->len - (size_t)len};
    return true;
}

/* The next field of a message. False at its end or when it is damaged (then in->len > 0). */
static bool next(struct cor_view *in, struct wire *wire)
{
    struct cor_view rest = *in;
    uint64_t tag = 0;
    if (rest.len == 0 || !varint(&rest, &tag) || tag >> 3 == 0 || tag >> 3 > 0xffff) {
        return false;
    }
    wire->number = (unsigned)(tag >> 3);
    wire->type = (unsigned)(tag & 7);
    wire->value = 0;
    bool ok = false;
    if (wire->type == WIRE_VARINT) {
        ok = varint(&rest, &wire->value);
    } else if (wire->type == WIRE_BYTES) {
        ok = varint(&rest, &wire->value) && take_bytes(&rest, wire->value, &wire->bytes);
    } else if (wire->type == WIRE_64) {
        ok = take_bytes(&rest, 8, &wire->bytes);
    } else if (wire->type == WIRE_32) {
        ok = take_bytes(&rest, 4, &wire->bytes);
    }
    if (ok) {
        *in = rest;
    }
    return ok;
}

static bool read_message(const struct k8s_type *type, struct cor_view in, unsigned outer,
                         struct cor_json *out, int depth);

/* Time and MicroTime: seconds, nanoseconds. */
static struct cor_json *read_time(struct cor_view in, bool micro)
{
    struct wire wire = {0};
    int64_t seconds = 0;
    int64_t nanos = 0;
    bool empty = in.len == 0;
    while (next(&in, &wire)) {
        seconds = wire.number == 1 ? (int64_t)wire.value : seconds;
        nanos = wire.number == 2 ? (int64_t)wire.value : nanos;
    }
    char text[COR_RFC3339_SIZE];
    /* Years 0001 to 9999; the zero time of Go is no time, nor is an empty message. */
    if (empty || seconds < -62135596800 + 1 || seconds > 253402300799) {
        return cor_json_null();
    }
    struct cor_wall time = {seconds * 1000000 + nanos / 1000};
    if (micro) {
        cor_wall_format_us(time, text);
    } else {
        cor_wall_format(time, text);
    }
    return cor_json_str(text);
}

static struct cor_json *read_intstr(struct cor_view in)
{
    struct wire wire = {0};
    bool text = false;
    int64_t number = 0;
    struct cor_view bytes = {0};
    while (next(&in, &wire)) {
        text = wire.number == 1 ? wire.value == 1 : text;
        number = wire.number == 2 ? (int32_t)wire.value : number;
        bytes = wire.number == 3 ? wire.bytes : bytes;
    }
    return text ? cor_json_view(bytes) : cor_json_int(number);
}

static struct cor_json *read_first_string(struct cor_view in)
{
    struct wire wire = {0};
    struct cor_view text = COR_VIEW("");
    while (next(&in, &wire)) {
        text = wire.number == 1 && wire.type == WIRE_BYTES ? wire.bytes : text;
    }
    return cor_json_view(text);
}

static struct cor_json *read_base64(struct cor_view in)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_base64(&text, in);
    return cor_json_view(cor_buf_as_view(&text));
}

/* One value of a field's kind; NULL when it does not fit. */
static struct cor_json *read_value(const struct k8s_field *field, const struct wire *wire,
                                   int depth)
{
    bool number = field->kind == K8S_BOOL || field->kind == K8S_INT32 || field->kind == K8S_INT64;
    if (wire->type != (number ? WIRE_VARINT : WIRE_BYTES)) {
        return NULL;
    }
    switch ((enum k8s_kind)field->kind) {
    case K8S_BOOL:
        return cor_json_bool(wire->value != 0);
    case K8S_INT32:
        return cor_json_int((int32_t)wire->value);
    case K8S_INT64:
        return cor_json_int((int64_t)wire->value);
    case K8S_STR:
        return cor_view_is_utf8(wire->bytes) ? cor_json_view(wire->bytes) : NULL;
    case K8S_BYTES:
        return read_base64(wire->bytes);
    case K8S_TIME:
    case K8S_MICROTIME:
        return read_time(wire->bytes, field->kind == K8S_MICROTIME);
    case K8S_QUANTITY:
        return read_first_string(wire->bytes);
    case K8S_INTSTR:
        return read_intstr(wire->bytes);
    case K8S_STRUCT: {
        auto_(cor_json_free) struct cor_json *object = cor_json_object();
        return read_message(field->type, wire->bytes, 0, object, depth + 1) ? take(&object) : NULL;
    }
    case K8S_REAL:
    case K8S_SCHEMA:
    case K8S_RAW:
        break;
    }
    return cor_json_null();
}

/* An entry of a map: key 1, value 2. */
static bool read_entry(const struct k8s_field *field, struct cor_view in, struct cor_json *map,
                       int depth)
{
    struct wire wire = {0};
    auto_(cor_freep) char *key = cor_strdup("");
    auto_(cor_json_free) struct cor_json *value = NULL;
    while (next(&in, &wire)) {
        if (wire.number == 1 && wire.type == WIRE_BYTES) {
            cor_freep(&key);
            key = cor_view_dup(wire.bytes);
        } else if (wire.number == 2) {
            cor_json_free(&value);
            value = read_value(field, &wire, depth);
        }
    }
    cor_json_set(map, key, value == NULL ? cor_json_str("") : take(&value));
    return in.len == 0;
}

static bool read_field(const struct k8s_field *field, const struct wire *wire, struct cor_json *out,
                       int depth)
{
    struct cor_json *there = cor_json_get(out, field->name);
    if ((field->flags & K8S_MAP) != 0) {
        if (there == NULL) {
            cor_json_set(out, field->name, cor_json_object());
        }
        return wire->type == WIRE_BYTES &&
               read_entry(field, wire->bytes, cor_json_get(out, field->name), depth);
    }
    struct cor_json *value = read_value(field, wire, depth);
    if (value == NULL) {
        return false;
    }
    if ((field->flags & K8S_LIST) == 0) {
        cor_json_set(out, field->name, value);
        return true;
    }
    if (there == NULL) {
        cor_json_set(out, field->name, cor_json_array());
    }
    cor_json_add(cor_json_get(out, field->name), value);
    return true;
}

static const struct k8s_field *field_of(const struct k8s_type *type, unsigned number)
{
    for (size_t i = 0; i < type->count; i++) {
        if (type->fields[i].number == number) {
            return &type->fields[i];
        }
    }
    return NULL;
}

/* Whether number is a struct that JSON shows in line. */
static bool is_inline(const struct k8s_type *type, unsigned number)
{
    for (size_t i = 0; i < type->count; i++) {
        if (type->fields[i].number >> 8 == number) {
            return true;
        }
    }
    return false;
}

static bool read_message(const struct k8s_type *type, struct cor_view in, unsigned outer,
                         struct cor_json *out, int depth)
{
    struct wire wire = {0};
    bool ok = depth < DEPTH_MAX;
    while (ok && next(&in, &wire)) {
        if (wire.number > 0xff) {
            continue;
        }
        const struct k8s_field *field = field_of(type, outer << 8 | wire.number);
        if (field != NULL) {
            ok = read_field(field, &wire, out, depth);
        } else if (outer == 0 && wire.type == WIRE_BYTES && is_inline(type, wire.number)) {
            ok = read_message(type, wire.bytes, wire.number, out, depth + 1);
        }
    }
    return ok && in.len == 0;
}

/* TypeMeta: apiVersion 1, kind 2. */
static void read_type(struct cor_view in, struct cor_json *out)
{
    struct wire wire = {0};
    while (next(&in, &wire)) {
        if (wire.type == WIRE_BYTES && (wire.number == 1 || wire.number == 2)) {
            cor_json_set(out, wire.number == 1 ? "apiVersion" : "kind", cor_json_view(wire.bytes));
        }
    }
}

enum cor_code kl_protobuf_read(const struct k8s_type *type, struct cor_view body,
                               struct cor_json **out_r, struct cor_err *err)
{
    static const char magic[4] = {'k', '8', 's', '\0'};
    *out_r = NULL;
    if (body.len < sizeof(magic) || memcmp(body.ptr, magic, sizeof(magic)) != 0) {
        return cor_err_set(err, COR_INVALID, "no Kubernetes protobuf: wrong first bytes");
    }
    struct cor_view in = {body.ptr + sizeof(magic), body.len - sizeof(magic)};
    struct wire wire = {0};
    auto_(cor_json_free) struct cor_json *out = cor_json_object();
    bool ok = true;
    while (ok && next(&in, &wire)) {
        if (wire.number == 2 && wire.type == WIRE_BYTES) {
            ok = read_message(type, wire.bytes, 0, out, 0);
        } else if (wire.number == 1 && wire.type == WIRE_BYTES) {
            read_type(wire.bytes, out);
        }
    }
    if (!ok || in.len > 0) {
        return cor_err_set(err, COR_INVALID, "damaged protobuf");
    }
    *out_r = take(&out);
    return COR_OK;
}
