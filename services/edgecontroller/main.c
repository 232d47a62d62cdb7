// SPDX-License-Identifier: Apache-2.0
#include "edgecontroller.h"

int main(int argc, char **argv)
{
    return cor_service_main(argc, argv, ec_spec());
}
