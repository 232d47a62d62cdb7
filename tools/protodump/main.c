// SPDX-License-Identifier: Apache-2.0
// protodump: prints the protocol between services from its tables: docs (docs/protocol.md), golden
// vectors (tests/golden/messages.txt), or fuzz seeds.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/bus/wire.h"
#include "proto/proto.h"

enum { VECTORS = 3, EXIT_USAGE = 100, ARENA_BYTES = 1 << 20 };

static const char *type_name(const struct cor_field *f)
{
    static const char *const NAMES[] = {"bool", "u64", "i64", "str", "bin", "strs", "list"};
    return f->type == COR_T_LIST ? f->sub->name : NAMES[f->type];
}

static void print_fields(const struct cor_table *table)
{
    (void)printf("| key | field | type | at most | | |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct cor_field *f = &table->fields[i];
        const char *need = f->is_key ? "key" : f->required ? "required" : "";
        (void)printf("| %u | `%s` | %s | ", f->key, f->name, type_name(f));
        (void)printf(f->max == 0 ? " " : "%" PRIu32, f->max);
        (void)printf(" | %s | %s |\n", need, f->doc);
    }
    (void)printf("\n");
}

static void print_messages(const char *title, const struct cor_messages *messages)
{
    (void)printf("## %s\n\n", title);
    for (size_t i = 0; i < messages->count; i++) {
        const struct cor_message *m = &messages->rows[i];
        const struct cor_message *reply = cor_message_find(messages, m->reply);
        (void)printf("### %u `%s` (%s", m->number, m->name,
                     cor_class_name((enum cor_class)m->class_));
        if (m->reply != 0 && reply != NULL) {
            (void)printf(", answered by `%s`", reply->name);
        }
        (void)printf(")\n\n%s.\n\n", m->doc);
        print_fields(m->body);
    }
}

static void print_endpoints(void)
{
    (void)printf("## Endpoints\n\n"
                 "| endpoint | binds | connects | window | queue | max bytes | |\n"
                 "|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < PX_ENDPOINT_COUNT; i++) {
        const struct cor_endpoint *e = px_endpoint((enum px_endpoint)i);
        (void)printf("| `%s` | %s | %s | %" PRIu32 " | %" PRIu32 " | %" PRIu32 " | %s |\n", e->name,
                     e->binder, e->connector, e->window, e->queue, e->max_bytes, e->doc);
    }
    (void)printf("\n");
}

static int docs(void)
{
    (void)printf(
        "# Protocol between services\n\n"
        "Printed from proto/messages.def, proto/endpoints.def and common/bus/bus.def by "
        "`protodump docs`; do not edit.\n\n"
        "One ZeroMQ frame a message: a header, then a body, both msgpack maps with integer "
        "keys. Absent optional fields read as zero; unknown keys are skipped; duplicate, "
        "missing, over-long and ill-typed fields and trailing bytes are refused.\n\n"
        "Protocol version %d.%d. A peer with another major version is refused.\n\n",
        COR_BUS_MAJOR, COR_BUS_MINOR);
    print_endpoints();
    (void)printf("## Header\n\n");
    print_fields(&cor_wire_header_table);
    print_messages("Messages between services", px_messages());
    print_messages("Messages of the bus itself", cor_wire_messages());
    return 0;
}

/* Random instances of a message from a seed that only its number decides. */
static void vectors_of(const struct cor_message *m)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_BYTES);
    uint64_t state = (uint64_t)m->number * 0x9e3779b97f4a7c15u + 1;
    for (int i = 0; i < VECTORS; i++) {
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        auto_(cor_buf_free) struct cor_buf hex = {0};
        auto_(cor_freep) void *object = cor_alloc(m->body->size);
        cor_random_instance(m->body, arena, &state, object);
        cor_encode(m->body, object, &bytes);
        cor_hex(&hex, cor_buf_as_view(&bytes));
        (void)printf("%u %s %s\n", m->number, m->name, hex.data);
    }
}

static int golden(void)
{
    (void)printf("# number, message, body in hex: printed by \"protodump golden\"; the encoding of "
                 "a message never changes within a major version\n");
    const struct cor_messages *all[] = {cor_wire_messages(), px_messages()};
    for (size_t s = 0; s < COR_COUNT(all); s++) {
        for (size_t i = 0; i < all[s]->count; i++) {
            vectors_of(&all[s]->rows[i]);
        }
    }
    return 0;
}

static int seeds(const char *folder)
{
    struct cor_err err = COR_ERR_NONE;
    const struct cor_messages *messages = px_messages();
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_BYTES);
    uint64_t state = 1;
    for (size_t i = 0; i < messages->count; i++) {
        const struct cor_message *m = &messages->rows[i];
        auto_(cor_freep) void *object = cor_alloc(m->body->size);
        auto_(cor_buf_free) struct cor_buf frame = {0};
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", folder, m->name);
        struct cor_wire_header header = {.number = m->number, .id = i + 1};
        cor_random_instance(m->body, arena, &state, object);
        cor_frame_write(&header, m->body, object, &frame);
        if (cor_file_write(path, cor_buf_as_view(&frame), 0644, &err) != COR_OK) {
            (void)fprintf(stderr, "protodump: %s\n", err.text);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "docs") == 0) {
        return docs();
    }
    if (argc == 2 && strcmp(argv[1], "golden") == 0) {
        return golden();
    }
    if (argc == 3 && strcmp(argv[1], "seeds") == 0) {
        return seeds(argv[2]);
    }
    (void)fputs("Usage: protodump docs | golden | seeds FOLDER\n", stderr);
    return EXIT_USAGE;
}
