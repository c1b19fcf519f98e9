#ifndef DMVPN_GRE_CMD_LIST_H
#define DMVPN_GRE_CMD_LIST_H

#include "sys/list.h"

extern const struct list_kind list_interfaces, list_peers, list_sas,
    list_maps, list_routes;

#endif
