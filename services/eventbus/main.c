// SPDX-License-Identifier: Apache-2.0
#include "eventbus.h"

int main(int argc, char **argv)
{
    return cor_service_main(argc, argv, eb_spec());
}
