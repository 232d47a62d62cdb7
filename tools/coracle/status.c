// SPDX-License-Identifier: Apache-2.0
// coracle status: every service that runs here, its peers and what it counts.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "coracle.h"
#include "tools/books/books.h"

struct options {
    struct coracle_said said;
    bool check;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_OUTPUT_ROW("table wide json yaml name", "table (default), wide, json, yaml or name"),
    CORACLE_FLAG_ROW(check, 'c', "check", "Fail (exit code 1) also when messages are missing"),
    CORACLE_SOCKETS_ROW,
    {0},
};

/* What the service's books are off by, if it keeps any. */
static void set_balance(struct cor_json *stats, const struct tool_service *service,
                        const struct cor_json *books)
{
    for (size_t i = 0; i < cor_json_count(books); i++) {
        const struct cor_json *its = cor_json_item(books, i);
        if (strcmp(cor_json_str_at(its, "service", ""), service->name) == 0 &&
            strcmp(cor_json_str_at(its, "folder", ""), service->run) == 0) {
            cor_json_set(stats, "balance", cor_json_int(cor_json_int_at(its, "balance", -1)));
        }
    }
}

/* One service's stats, or why there are none: {"service","folder","state","balance"?,"error"?,...}.
 */
static struct cor_json *ask(const struct tool_service *service, const struct cor_json *books)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_json *stats = coracle_ask(service, "stats", NULL, CORACLE_TELL_MS, &err);
    if (stats == NULL) {
        stats = cor_json_object();
        cor_json_set(stats, "service", cor_json_str(service->name));
        cor_json_set(stats, "error", cor_json_str(err.text));
    }
    set_balance(stats, service, books);
    cor_json_set(stats, "folder", cor_json_str(service->run));
    return stats;
}

static size_t peers_up(const struct cor_json *stats, size_t *all_r)
{
    const struct cor_json *ports = cor_json_get(stats, "ports");
    size_t up = 0;
    *all_r = cor_json_count(ports);
    for (size_t i = 0; i < *all_r; i++) {
        up += cor_json_bool_at(cor_json_item(ports, i), "up", false) ? 1 : 0;
    }
    return up;
}

static const char *state_of(const struct cor_json *stats)
{
    size_t all = 0;
    if (cor_json_get(stats, "error") != NULL) {
        return "silent";
    }
    return peers_up(stats, &all) == all ? "ok" : "waiting";
}

static void print_seconds(int64_t seconds)
{
    char text[32];
    if (seconds < 120) {
        (void)snprintf(text, sizeof(text), "%" PRId64 "s", seconds);
    } else if (seconds < 7200) {
        (void)snprintf(text, sizeof(text), "%" PRId64 "m", seconds / 60);
    } else {
        (void)snprintf(text, sizeof(text), "%" PRId64 "h", seconds / 3600);
    }
    (void)printf("%-6s", text);
}

/* Names of the peers that are not there. */
static void print_missing(const struct cor_json *stats)
{
    const struct cor_json *ports = cor_json_get(stats, "ports");
    const char *gap = "";
    for (size_t i = 0; i < cor_json_count(ports); i++) {
        const struct cor_json *port = cor_json_item(ports, i);
        if (!cor_json_bool_at(port, "up", false)) {
            (void)printf("%s%s", gap, cor_json_str_at(port, "peer", "?"));
            gap = ",";
        }
    }
    if (gap[0] == '\0') {
        (void)printf("-");
    }
}

/* What the service's books are off by: 0 when nothing is missing. */
static void print_balance(const struct cor_json *stats, bool colour)
{
    int64_t balance = cor_json_int_at(stats, "balance", 0);
    if (cor_json_get(stats, "balance") == NULL) {
        (void)printf("%-8s", "-");
        return;
    }
    (void)printf("%s%-8" PRId64 "%s", colour && balance != 0 ? "\033[31m" : "", balance,
                 colour && balance != 0 ? "\033[0m" : "");
}

static void print_row(const struct cor_json *stats, bool wide, bool colour)
{
    size_t all = 0;
    size_t up = peers_up(stats, &all);
    const char *state = state_of(stats);
    const char *paint = !colour ? "" : strcmp(state, "ok") == 0 ? "\033[32m" : "\033[33m";
    (void)printf("%-15s %s%-8s%s ", cor_json_str_at(stats, "service", "?"), paint, state,
                 colour ? "\033[0m" : "");
    (void)printf("%-7" PRId64 " ", cor_json_int_at(stats, "pid", 0));
    print_seconds(cor_json_int_at(stats, "upSeconds", 0));
    (void)printf(" %zu/%zu   ", up, all);
    print_balance(stats, colour);
    print_missing(stats);
    if (wide) {
        (void)printf("  %s  %s", cor_json_str_at(stats, "version", "-"),
                     cor_json_str_at(stats, "folder", ""));
    }
    const char *error = cor_json_str_at(stats, "error", NULL);
    (void)printf(error == NULL ? "\n" : "  %s\n", error);
}

static void print_table(const struct cor_json *list, bool wide)
{
    bool colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
    (void)printf("%-15s %-8s %-7s %-6s %-5s %-7s %s%s\n", "SERVICE", "STATE", "PID", "AGE", "PEERS",
                 "BALANCE", "MISSING", wide ? "  VERSION  FOLDER" : "");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        print_row(cor_json_item(list, i), wide, colour);
    }
}

static void print(const struct cor_json *list, enum coracle_format format)
{
    if (format == CORACLE_NAME) {
        for (size_t i = 0; i < cor_json_count(list); i++) {
            (void)printf("%s\n", cor_json_str_at(cor_json_item(list, i), "service", "?"));
        }
    } else if (!coracle_print(list, format)) {
        print_table(list, format == CORACLE_WIDE);
    }
}

/* Whether nothing is missing; else says so, on stderr. */
static bool alarm_off(const struct cor_json *books)
{
    auto_(cor_buf_free) struct cor_buf wrongs = {0};
    tool_books_alarm(books, &wrongs);
    struct cor_view rest = cor_buf_as_view(&wrongs);
    struct cor_view line;
    while (rest.len > 0 && cor_view_split(&rest, '\n', &line)) {
        (void)fprintf(stderr, "coracle: alarm: %.*s\n", COR_VIEW_ARG(line));
    }
    return wrongs.len == 0;
}

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN};
    coracle_read(&coracle_status, argc, argv, &o);
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(o.said.run, &found);
    if (found.count == 0) {
        (void)fprintf(stderr, "coracle: no service runs under %s\n", o.said.run);
        return EXIT_FAILED;
    }
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    auto_(cor_json_free) struct cor_json *books = coracle_books(o.said.run);
    bool well = alarm_off(books) || !o.check;
    for (size_t i = 0; i < found.count; i++) {
        struct cor_json *stats = ask(&found.items[i], books);
        well = well && strcmp(state_of(stats), "ok") == 0;
        cor_json_add(list, stats);
    }
    print(list, o.said.format);
    return well ? EXIT_DONE : EXIT_FAILED;
}

const struct coracle_command coracle_status = {
    .name = "status",
    .summary = "what runs here, and whether it is well",
    .doc =
        "Shows every Coracle service that runs on this machine, and whether its peers are there."
        "\vSTATE is ok, waiting (a peer is not there) or silent (it does not answer). The exit "
        "code is 0 if all are ok, 1 if not. BALANCE is what the service's ledger is off by: 0, or "
        "messages are missing; - if it keeps none. What is wrong is told in a line of its own (see "
        "coracle ledger), and with --check the exit code is 1.",
    .options = OPTIONS,
    .run = run,
};
