// SPDX-License-Identifier: Apache-2.0
// POST /run/NS/POD[/UID]/CONTAINER?cmd=: a command to its end, its output as the answer. Words are
// apart by blanks. Source: k8s.io/kubernetes pkg/kubelet/server/server.go getRun.
#include <string.h>

#include "api.h"
#include "common/base/mem.h"
#include "common/httpd/uri.h"

enum { WORDS_MAX = 256, TIMEOUT_S = 120 };

struct command {
    struct api_call *call; /* NULL: its client is gone, the runtime has not answered yet */
    char *text;
};

static void command_free(struct command *command)
{
    cor_free(command->text);
    cor_free(command);
}

static void on_gone(void *self)
{
    ((struct command *)self)->call = NULL;
}

static const struct api_handler HANDLER = {.gone = on_gone};

static void on_answer(void *self, const struct cri_answer *answer)
{
    struct command *command = self;
    struct api_call *call = command->call;
    auto_(cor_buf_free) struct cor_buf out = {0};
    cor_buf_view(&out, answer->out);
    cor_buf_view(&out, answer->err);
    if (call == NULL) {
        command_free(command);
        return;
    }
    if (answer->code != COR_OK) {
        api_refuse(call, 500, "%s", answer->text);
    } else if (answer->exit_code != 0) {
        api_refuse(call, 500, "command '%s' exited with %d: %s", command->text,
                   (int)answer->exit_code, out.len == 0 ? "" : out.data);
    } else {
        api_answer(call, 200, "text/plain", cor_buf_as_view(&out));
    }
    command_free(command);
}

static void run_words(struct api_call *call, const char *id, char *text)
{
    struct command *command = cor_alloc(sizeof(*command));
    auto_(cor_freep) char *words = cor_strdup(text);
    const char *list[WORDS_MAX];
    size_t count = 0;
    char *rest = words;
    char *word = NULL;
    while (count < WORDS_MAX && (word = strsep(&rest, " ")) != NULL) {
        list[count++] = word;
    }
    command->call = call;
    command->text = text;
    api_handle(call, &HANDLER, command);
    cri_exec_sync(api_agent(call)->cri, id, (struct cri_strings){list, count}, TIMEOUT_S, on_answer,
                  command);
}

void api_run(struct api_call *call)
{
    size_t index = 0;
    if (!cor_view_is(api_method(call), "POST")) {
        api_refuse(call, 405, "405: Method Not Allowed");
        return;
    }
    struct agent_pod *pod = api_find_container(call, 1, &index);
    if (pod == NULL) {
        return;
    }
    char *text = cor_query_get(api_query(call), "cmd");
    const struct run_container *container = &pod->run->containers[index];
    if (text == NULL || text[0] == '\0') {
        cor_free(text);
        api_refuse(call, 400, "cmd is missing");
    } else if (container->state != RUN_RUNNING) {
        cor_free(text);
        api_refuse(call, 500, "container not found (\"%s\")", pod_container(pod->pod, index)->name);
    } else {
        run_words(call, container->id, text);
    }
}
