/* Packets in transit through a server (RFC 2332, 3.2, 5.3). */
#include "nhrp_state.h"

#include <string.h>

static bool
is_reply(const struct nhrp *n)
{
	return n->type == NHRP_RESOLUTION_REPLY ||
	    n->type == NHRP_REGISTRATION_REPLY ||
	    n->type == NHRP_PURGE_REPLY;
}

/* One of our addresses stands in this record. */
static bool
records_us(const struct nhrp_rx *rx, uint16_t type)
{
	struct nhrp_ext ext;
	struct nhrp_cie cie;

	if (!nhrp_ext_find(&rx->n, type, &ext))
		return false;
	while (nhrp_cie_next(&rx->n, &ext.value, &cie, NULL) > 0)
		if (cie.proto.len > 0 && nhrp_is_own(rx->iface, &cie.proto))
			return true;
	return false;
}

/* RFC 2332, 5.3.1 to 5.3.3: has this packet been here before? */
bool
nhrp_looped(const struct nhrp_rx *rx)
{
	if (rx->n.type >= NHRP_ERROR_INDICATION)
		return false;
	return records_us(rx, NHRP_EXT_RESPONDER) ||
	    records_us(rx, is_reply(&rx->n) ? NHRP_EXT_REVERSE :
	    NHRP_EXT_FORWARD);
}

/* The registration that the packet's sender stands for, if it came straight
 * from it: then what we see of it is true. */
static const struct nhrp_binding *
origin(const struct nhrp_rx *rx)
{
	struct rbuf cies = rx->n.cies;
	const struct nhrp_binding *b;
	struct addr who = rx->n.src_proto;
	struct nhrp_cie cie;

	if (is_reply(&rx->n)) {
		if (nhrp_cie_next(&rx->n, &cies, &cie, NULL) <= 0)
			return NULL;
		who = cie.proto;
	}
	b = nhrp_binding_find(rx->iface, &who);
	return b != NULL && b->node == rx->node ? b : NULL;
}

static bool
behind_nat(const struct nhrp_binding *b)
{
	return b->node->nat_remote || b->claimed.len > 0;
}

/* Our private extension, with what this hop knows better. */
static void
put_seen(const struct nhrp_rx *rx, const struct nhrp_ext *ext,
    struct nhrp_out *o)
{
	const struct nhrp_binding *b = origin(rx);
	struct nhrp_seen s;
	struct endpoint *slot;

	if (!nhrp_seen_parse(ext, &s)) {
		nhrp_ext_put(o, ext->type, ext->compulsory, &ext->value);
		return;
	}
	slot = is_reply(&rx->n) ? &s.responder : &s.requester;
	if (b != NULL)
		*slot = behind_nat(b) ? b->node->remote :
		    (struct endpoint){ 0 };
	nhrp_seen_put(o, &s);
}

/* Cisco's NAT extension: where we see the origin, if it is elsewhere. */
static void
put_nat(const struct nhrp_rx *rx, const struct nhrp_ext *ext,
    struct nhrp_out *o)
{
	const struct nhrp_binding *b = origin(rx);
	struct rbuf in = ext->value;
	struct nhrp_cie cie;
	bool nat = b != NULL && behind_nat(b) &&
	    b->nbma.addr.len == (rx->n.afn == NHRP_AFN_IP6 ? 16 : 4);

	if (!nhrp_ext_has_cies(ext)) {
		nhrp_ext_put(o, ext->type, ext->compulsory, &ext->value);
		return;
	}
	nhrp_ext_open(o, ext->type, ext->compulsory);
	while (nhrp_cie_next(&rx->n, &in, &cie, NULL) > 0)
		if (b == NULL || !addr_equal(&cie.proto, &b->address))
			nhrp_put_cie(o, &cie);
	if (nat) {
		cie = (struct nhrp_cie){ .hold = b->hold,
		    .prefix = (uint8_t)(b->address.len * 8),
		    .nbma = b->nbma.addr, .proto = b->address };
		nhrp_put_cie(o, &cie);
	}
	nhrp_ext_close(o);
}

/* The record with ourselves added. */
static void
put_record(const struct nhrp_rx *rx, const struct nhrp_node *to,
    const struct nhrp_ext *ext, struct nhrp_out *o)
{
	struct addr own = nhrp_own(rx->iface, &rx->n.src_proto);
	struct nhrp_cie cie = nhrp_own_cie(rx->iface, to, &own, 0);

	if (cie.nbma.len != (rx->n.afn == NHRP_AFN_IP6 ? 16 : 4))
		cie.nbma = addr_of(NULL, 0);
	nhrp_ext_open(o, ext->type, ext->compulsory);
	nhrp_put(o, &ext->value);
	nhrp_put_cie(o, &cie);
	nhrp_ext_close(o);
}

static void
put_extensions(const struct nhrp_rx *rx, const struct nhrp_node *to,
    struct nhrp_out *o)
{
	uint16_t record = is_reply(&rx->n) ? NHRP_EXT_REVERSE :
	    NHRP_EXT_FORWARD;
	struct rbuf in = rx->n.exts;
	struct nhrp_ext ext;
	bool auth = false;

	while (nhrp_ext_next(&in, &ext, NULL) > 0) {
		/* hop by hop: ours, where Cisco has it, before NAT */
		if (!auth && (ext.type == NHRP_EXT_AUTH ||
		    ext.type == NHRP_EXT_NAT)) {
			nhrp_put_auth(rx->iface, o);
			auth = true;
		}
		if (ext.type == NHRP_EXT_AUTH)
			continue;
		if (ext.type == record)
			put_record(rx, to, &ext, o);
		else if (ext.type == NHRP_EXT_VENDOR)
			put_seen(rx, &ext, o);
		else if (ext.type == NHRP_EXT_NAT)
			put_nat(rx, &ext, o);
		else
			nhrp_ext_put(o, ext.type, ext.compulsory,
			    &ext.value);
	}
	if (!auth)
		nhrp_put_auth(rx->iface, o);
}

/* One hop further, to `to`. */
void
nhrp_forward(struct nhrp_engine *g, struct nhrp_rx *rx, struct nhrp_node *to)
{
	struct nhrp n = rx->n;
	struct nhrp_out o;

	if (n.hops == 0) {
		nhrp_count(g, NHRP_N_HOPS);
		nhrp_send_error(g, rx, NHRP_ERR_HOPS, 0);
		return;
	}
	n.hops--;
	nhrp_begin(&o, g->out, sizeof(g->out), &n);
	nhrp_put(&o, &n.cies);
	nhrp_put(&o, &n.payload);
	if (n.extended && n.type != NHRP_ERROR_INDICATION)
		put_extensions(rx, to, &o);
	nhrp_count(g, NHRP_N_FORWARDED);
	nhrp_send(g, rx->iface, to, &o);
}

/* A reply, purge or error that is for a registered peer. */
void
nhrp_transit(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	const struct addr *whom = is_reply(&rx->n) ? &rx->n.src_proto :
	    &rx->n.dst_proto;
	struct nhrp_binding *b = nhrp_binding_find(rx->iface, whom);

	if (rx->iface->conf.role != NHRP_ROLE_HUB || b == NULL ||
	    b->node == rx->node) {
		nhrp_count(g, NHRP_N_UNROUTABLE);
		return;
	}
	nhrp_forward(g, rx, b->node);
}
