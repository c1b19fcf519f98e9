/* Error Indications about our packets (RFC 2332, 5.2.7). */
#include "nhrp_state.h"

#include <stdio.h>

static void
about_registration(struct nhrp_engine *g, struct nhrp_rx *rx,
    const struct nhrp *our, const char *name)
{
	struct nhrp_iface *f = rx->iface;
	struct addr_buf ab;
	struct reason r;
	size_t i;

	for (i = 0; i < f->n_servers; i++) {
		struct nhrp_server *s = &f->servers[i];

		/* the server itself, not one of its clients */
		if (s->node != rx->node || !s->asking || s->id != our->id ||
		    !addr_equal(&s->conf.address, &rx->n.src_proto))
			continue;
		reason_set(&r, "registration", name, "server %s answered our "
		    "registration with error %u, %s",
		    addr_text(&s->conf.address, &ab), rx->n.code, name);
		if (rx->n.code == NHRP_ERR_AUTH)
			snprintf(r.fix, sizeof(r.fix), "use the "
			    "authentication that the server has");
		nhrp_server_down(g, s, &r);
	}
}

void
nhrp_error_indication(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct nhrp_cut *c;
	struct name_buf nb;
	struct nhrp our;
	const char *name = name_text(nhrp_error_names, rx->n.code, &nb);

	nhrp_count(g, NHRP_N_ERRORS_IN);
	if (!nhrp_is_own(rx->iface, &rx->n.dst_proto)) {
		nhrp_transit(g, rx);
		return;
	}
	/* it carries no authentication: only a server is believed, and only
	 * about a packet that we wait for */
	if (rx->server == NULL ||
	    nhrp_parse_lax(rx->n.payload, &our, NULL) < 0 ||
	    !nhrp_is_own(rx->iface, &our.src_proto))
		return;
	if (our.type == NHRP_REGISTRATION_REQUEST)
		about_registration(g, rx, &our, name);
	if (our.type != NHRP_RESOLUTION_REQUEST)
		return;
	c = nhrp_cut_by_id(rx->iface, our.id);
	if (c != NULL && c->state == NHRP_CUT_ASKING)
		nhrp_cut_refuse(g, c, name, "the answer was error %u, %s",
		    rx->n.code, name);
}
