// SPDX-License-Identifier: Apache-2.0
// coracle join: makes this machine an edge node of a cloud side: writes what the edge services need
// to know, hands the token to edgehub, and waits until the link is there.
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "common/json/json.h"
#include "coracle.h"

enum { TOKEN_MAX = 16384, PORT_MAX = 65535, ASK_MS = 1000, PAUSE_MS = 100 };

struct options {
    struct coracle_said said;
    const char *etc, *state;
    const char *host;
    const char *token;
    const char *node;
    int64_t port, enrol_port;
    int64_t timeout_s;
};

/* HOST, HOST:PORT or [ADDRESS]:PORT; arg is cut in place. */
static bool read_cloud(const struct coracle_option *option, char *arg, void *options)
{
    struct options *o = options;
    char *colon = strrchr(arg, ':');
    (void)option;
    if (colon != NULL && (arg[0] == '[' || strchr(arg, ':') == colon)) {
        *colon = '\0';
        if (!cor_view_i64(cor_view_of(colon + 1), &o->port) || o->port < 1 || o->port > PORT_MAX) {
            return false;
        }
    }
    size_t len = strlen(arg);
    if (len > 2 && arg[0] == '[' && arg[len - 1] == ']') {
        arg[len - 1] = '\0';
        arg++;
    }
    o->host = arg;
    return arg[0] != '\0' && strpbrk(arg, " \"'\\/\n") == NULL;
}

static const struct coracle_option OPTIONS[] = {
    {.name = "cloud",
     .letter = 'c',
     .arg = "HOST[:PORT]",
     .doc = "Where the cloud side is; the port of the link is 10000",
     .expected = "HOST or HOST:PORT",
     .read = read_cloud},
    CORACLE_NUMBER_ROW(enrol_port, 'e', "enrol-port", "PORT", 1, PORT_MAX,
                       "Port of the cloud side for enrolment (10002)"),
    CORACLE_TEXT_ROW(token, 't', "token", "TOKEN",
                     "From \"coracle token create\"; - reads it from standard input"),
    CORACLE_TEXT_ROW(node, 'n', "node", "NAME", "Name of this node (the host name)"),
    CORACLE_TEXT_ROW(etc, 0, "config-dir", "DIR", "Where configuration is written (/etc/coracle)"),
    CORACLE_TEXT_ROW(state, 0, "state-dir", "DIR",
                     "Where services keep their state (/var/lib/coracle)"),
    CORACLE_SOCKETS_ROW,
    CORACLE_NUMBER_ROW(timeout_s, 0, "timeout", "SECONDS", 0, 3600,
                       "How long to wait for the link (30); 0: do not"),
    {0},
};

static enum cor_code check(const void *options, struct cor_err *err)
{
    const struct options *o = options;
    return o->host != NULL && o->token != NULL
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "--cloud and --token are needed");
}

/* The token from the command line or standard input; owned, wiped by the caller. */
static enum cor_code read_token(const struct options *o, struct cor_buf *token, struct cor_err *err)
{
    if (strcmp(o->token, "-") != 0) {
        cor_buf_str(token, o->token);
    } else if (cor_file_read("/dev/stdin", TOKEN_MAX, token, err) != COR_OK) {
        return err->code;
    }
    struct cor_view trimmed = cor_view_trim(cor_buf_as_view(token));
    const char *dot = trimmed.len == 0 ? NULL : memchr(trimmed.ptr, '.', trimmed.len);
    if (dot == NULL || dot - trimmed.ptr != 64) {
        return cor_err_set(err, COR_INVALID,
                           "this is no enrolment token; \"coracle token create\" on the cloud side "
                           "makes one");
    }
    return COR_OK;
}

/* Writes a configuration file, unless there is one: then it must say the same. */
static enum cor_code write_config(const struct options *o, const char *service, const char *text,
                                  struct cor_err *err)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s.yaml", o->etc, service);
    auto_(cor_buf_free) struct cor_buf old = {0};
    enum cor_code code = cor_file_read(path, 1 << 20, &old, err);
    if (code == COR_NOTFOUND) {
        return cor_file_write(path, cor_view_of(text), 0644, err);
    }
    if (code == COR_OK && !cor_view_is(cor_buf_as_view(&old), text)) {
        return cor_err_set(err, COR_EXISTS,
                           "%s is there and says something else; change it, or move it away", path);
    }
    return code;
}

static enum cor_code write_configs(const struct options *o, const char *token_file,
                                   struct cor_err *err)
{
    auto_(cor_freep) char *hub =
        cor_sprintf("run-dir: \"%s\"\nnode:\n  name: \"%s\"\ncloud:\n  host: \"%s\"\n  port: %lld\n"
                    "  enrol-port: %lld\nidentity: \"%s/edgehub\"\ntoken-file: \"%s\"\n",
                    o->said.run, o->node, o->host, (long long)o->port, (long long)o->enrol_port,
                    o->state, token_file);
    auto_(cor_freep) char *edged =
        cor_sprintf("run-dir: \"%s\"\nnode:\n  name: \"%s\"\n", o->said.run, o->node);
    auto_(cor_freep) char *twin =
        cor_sprintf("run-dir: \"%s\"\nnode:\n  name: \"%s\"\ndatabase: \"%s/devicetwin/twin.db\"\n",
                    o->said.run, o->node, o->state);
    enum cor_code code = cor_mkdirs(o->etc, 0755, err);
    if (code == COR_OK) {
        code = write_config(o, "edgehub", hub, err);
    }
    if (code == COR_OK) {
        code = write_config(o, "edged", edged, err);
    }
    return code == COR_OK ? write_config(o, "devicetwin", twin, err) : code;
}

/* The token belongs to edgehub's user, if the services run as their own. */
static enum cor_code write_token(const char *path, struct cor_view token, struct cor_err *err)
{
    enum cor_code code = cor_file_write(path, token, 0600, err);
    const struct passwd *user = getpwnam("coracle-edgehub");
    if (code == COR_OK && user != NULL && geteuid() == 0 &&
        chown(path, user->pw_uid, user->pw_gid) != 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", path);
    }
    return code;
}

/* Whether edgehub says that the link is up. */
static bool link_is_up(const char *run, struct cor_err *err)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/ctl/edgehub", run);
    auto_(cor_json_free) struct cor_json *stats = NULL;
    if (tool_ask_json(path, "stats", (struct cor_view){0}, ASK_MS, &stats, err) != COR_OK) {
        return false;
    }
    (void)cor_err_set(err, COR_TIMEOUT, "edgehub has no link yet; its log says why");
    return cor_json_int_at(stats, "link_up", 0) != 0;
}

static int wait_for_link(const struct options *o)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(o->timeout_s));
    while (!link_is_up(o->said.run, &err)) {
        if (cor_mono_since(end, cor_mono_now()) <= 0) {
            return coracle_fail("join", &err);
        }
        (void)poll(NULL, 0, PAUSE_MS);
    }
    (void)printf("%s has joined %s\n", o->node, o->host);
    return EXIT_DONE;
}

static int join(const struct options *o)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf token = {0};
    auto_(cor_freep) char *folder = cor_sprintf("%s/edgehub", o->state);
    auto_(cor_freep) char *token_file = cor_sprintf("%s/token", folder);
    enum cor_code code = read_token(o, &token, &err);
    if (code == COR_OK) {
        code = write_configs(o, token_file, &err);
    }
    if (code == COR_OK) {
        code = cor_mkdirs(folder, 0750, &err);
    }
    if (code == COR_OK) {
        code = write_token(token_file, cor_view_trim(cor_buf_as_view(&token)), &err);
    }
    if (token.data != NULL) {
        cor_wipe(token.data, token.len);
    }
    if (code != COR_OK) {
        return coracle_fail("join", &err);
    }
    (void)printf("%s will join %s:%lld; start the edge services, or restart edgehub\n", o->node,
                 o->host, (long long)o->port);
    (void)fflush(stdout);
    return o->timeout_s == 0 ? EXIT_DONE : wait_for_link(o);
}

static int run(int argc, char **argv)
{
    struct utsname host;
    (void)uname(&host);
    struct options o = {
        .said.run = CORACLE_RUN,
        .etc = "/etc/coracle",
        .state = "/var/lib/coracle",
        .node = host.nodename,
        .port = 10000,
        .enrol_port = 10002,
        .timeout_s = 30,
    };
    coracle_read(&coracle_join, argc, argv, &o);
    if (!cor_is_dns_subdomain(cor_view_of(o.node))) {
        (void)fprintf(stderr,
                      "coracle: join: \"%s\" cannot be the name of a node: give --node with a DNS "
                      "name in lower case\n",
                      o.node);
        return EXIT_USAGE;
    }
    return join(&o);
}

const struct coracle_command coracle_join = {
    .name = "join",
    .summary = "make this machine an edge node",
    .doc =
        "Makes this machine an edge node: writes the configuration of the edge services, gives the "
        "token to edgehub and waits until its link to the cloud is up."
        "\vExample, with a token made on the cloud side:\n"
        "  coracle join --cloud cloud.example --token - --node edge7 < token",
    .options = OPTIONS,
    .check = check,
    .run = run,
};
