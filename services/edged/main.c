// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

int main(int argc, char **argv)
{
    return cor_service_main(argc, argv, edged_spec());
}
