#ifndef NHRP_DETAIL_H
#define NHRP_DETAIL_H

#include "nhrp_craft.h"

#include "dmvpn-nhrp/nhrp_state.h"

static inline struct nhrp_server *
server(const struct sim_site *a, size_t i)
{
	return &a->g->ifaces->servers[i];
}

static inline struct nhrp_binding *
binding(const struct sim_site *hub, const struct sim_site *a)
{
	return nhrp_binding_find(hub->g->ifaces, &a->tunnel);
}

/* One hub and so many spokes, registered. */
static inline struct sim *
started(size_t spokes)
{
	struct sim *s = sim_new(spokes);

	sim_start(s);
	sim_run(s, 1000);
	return s;
}

#endif
