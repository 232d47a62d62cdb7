// SPDX-License-Identifier: Apache-2.0
#include "services/cloudhub/cloudhub.h"

int main(int argc, char **argv)
{
    return cor_service_main(argc, argv, cloudhub_spec());
}
