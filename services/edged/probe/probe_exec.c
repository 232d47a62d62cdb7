// SPDX-License-Identifier: Apache-2.0
// A command in the container, by the runtime's ExecSync. Source: k8s.io/kubernetes pkg/probe/exec.
#include "common/base/mem.h"
#include "try.h"

struct execution {
    struct probe_try *attempt; /* NULL: given up, the runtime has not answered yet */
    struct cor_buf words;      /* of the command */
    bool answered;
};

static void tell(struct execution *execution, const struct cri_answer *answer)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (answer->code == COR_TIMEOUT) {
        cor_buf_fmt(&text, "command \"%s\" timed out", execution->words.data);
        probe_try_tell(execution->attempt, PROBE_FAILED, cor_buf_as_view(&text));
        return;
    }
    if (answer->code != COR_OK) {
        probe_try_tell(execution->attempt, PROBE_ERRORED, cor_view_of(answer->text));
        return;
    }
    cor_buf_view(&text, answer->out);
    cor_buf_view(&text, answer->err);
    struct cor_view kept = cor_buf_as_view(&text);
    kept.len = kept.len > PROBE_TEXT_MAX ? PROBE_TEXT_MAX : kept.len;
    kept.len = cor_view_utf8_len(kept);
    probe_try_tell(execution->attempt, answer->exit_code == 0 ? PROBE_PASSED : PROBE_FAILED, kept);
}

static void execution_free(struct execution *execution)
{
    cor_buf_free(&execution->words);
    cor_free(execution);
}

static void on_answer(void *self, const struct cri_answer *answer)
{
    struct execution *execution = self;
    execution->answered = true;
    if (execution->attempt == NULL) {
        execution_free(execution);
    } else {
        tell(execution, answer);
    }
}

/* The runtime ends the command when its time is over; who waits for it does not wait longer. */
static void *begin(struct probe_try *attempt, const struct probe_ask *ask)
{
    struct execution *execution = cor_alloc(sizeof(*execution));
    struct pod_strings command = ask->handler->command;
    execution->attempt = attempt;
    for (size_t i = 0; i < command.count; i++) {
        cor_buf_fmt(&execution->words, "%s%s", i == 0 ? "" : " ", command.item[i]);
    }
    cri_exec_sync(ask->cri, ask->container_id, (struct cri_strings){command.item, command.count},
                  ask->timeout_seconds, on_answer, execution);
    return execution;
}

static void timed_out(void *act, struct cor_buf *text)
{
    const struct execution *execution = act;
    cor_buf_fmt(text, "command \"%s\" timed out", execution->words.data);
}

static void end(void *act)
{
    struct execution *execution = act;
    execution->attempt = NULL;
    if (execution->answered) {
        execution_free(execution);
    }
}

const struct probe_act probe_act_exec = {begin, timed_out, end};
