// SPDX-License-Identifier: Apache-2.0
#include "services/edgehub/edgehub.h"

int main(int argc, char **argv)
{
    return cor_service_main(argc, argv, edgehub_spec());
}
