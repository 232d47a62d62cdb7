// SPDX-License-Identifier: Apache-2.0
// /exec, /attach, /portForward: the runtime gives a URL of its streaming server; the client's
// request to be upgraded goes there, and from then on bytes pass both ways, unread.
#include "api.h"

void api_exec(struct api_call *call)
{
    api_refuse(call, 501, "not yet");
}

void api_attach(struct api_call *call)
{
    api_refuse(call, 501, "not yet");
}

void api_port_forward(struct api_call *call)
{
    api_refuse(call, 501, "not yet");
}
