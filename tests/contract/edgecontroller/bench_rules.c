// SPDX-License-Identifier: Apache-2.0
// bench-rules: messages a second from edgecontroller to an HTTP target on loopback, and what one
// costs it. cloudhub with the origins, and the target, are this process.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/harness.h"
#include "tests/support/usage/usage.h"

enum { STREAMS = 10, RUNS = 3 };

struct run {
    struct world *w;
    struct target target;
    struct stream streams[STREAMS];
    size_t count;
};

static bool all_done(void *self)
{
    struct run *run = self;
    for (size_t i = 0; i < run->count; i++) {
        if (!stream_is_done(&run->streams[i])) {
            return false;
        }
    }
    return true;
}

static void one(struct run *run, size_t streams, uint64_t messages, const char *batch)
{
    struct world *w = run->w;
    run->count = streams;
    int64_t begin = cor_mono_now().us;
    int64_t used = test_usage_us(w->controller);
    for (size_t i = 0; i < streams; i++) {
        stream_send(&run->streams[i], messages / streams);
    }
    world_until(w, all_done, run);
    int64_t took = cor_mono_now().us - begin;
    used = test_usage_us(w->controller) - used;
    (void)printf("streams %2zu batch %3s: %6.0f messages/s, %5.1f us of processor each\n", streams,
                 batch, (double)messages * 1e6 / (double)took, (double)used / (double)messages);
    (void)fflush(stdout);
}

static void all(const char *batch, uint64_t messages)
{
    struct run run = {.w = world_new(true)};
    auto_(cor_freep) char *extra = cor_sprintf(",\"batch\":\"%s\"", batch);
    target_open(&run.target, run.w, 0);
    for (size_t i = 0; i < STREAMS; i++) {
        auto_(cor_freep) char *name = cor_sprintf("t%zu", i);
        world_rule(run.w, name, name, run.target.url, extra);
        run.streams[i].before = "{\"temperature\": 21.5, \"unit\": \"C\", \"n\": ";
        run.streams[i].after = "}";
        stream_open(&run.streams[i], run.w, i + 1, name);
    }
    for (int i = 0; i < RUNS; i++) {
        one(&run, 1, messages, batch);
        one(&run, STREAMS, messages, batch);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        stream_close(&run.streams[i]);
    }
    target_free(&run.target);
    world_free(&run.w);
}

int main(void)
{
    all("1", 20000);
    all("100", 100000);
    return 0;
}
