// SPDX-License-Identifier: Apache-2.0
#include "devicetwin.h"

int main(int argc, char **argv)
{
    return cor_service_main(argc, argv, dt_spec());
}
