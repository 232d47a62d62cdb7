// SPDX-License-Identifier: Apache-2.0
#include "services/kubelite/kubelite.h"

int main(int argc, char **argv)
{
    return cor_service_main(argc, argv, &kl_service_spec);
}
