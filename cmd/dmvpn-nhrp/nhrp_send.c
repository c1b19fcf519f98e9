/* Building and sending packets. */
#include "nhrp_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Our tunnel address of the same family; none when there is none. */
struct addr
nhrp_own(const struct nhrp_iface *f, const struct addr *like)
{
	size_t i;

	for (i = 0; i < f->conf.n_addresses; i++)
		if (f->conf.addresses[i].addr.len == like->len)
			return f->conf.addresses[i].addr;
	return addr_of(NULL, 0);
}

bool
nhrp_is_own(const struct nhrp_iface *f, const struct addr *a)
{
	size_t i;

	for (i = 0; i < f->conf.n_addresses; i++)
		if (addr_equal(&f->conf.addresses[i].addr, a))
			return true;
	return false;
}

/* Our NBMA address as this peer's path has it. */
struct addr
nhrp_own_nbma(const struct nhrp_iface *f, const struct nhrp_node *n)
{
	if (n != NULL && n->local.addr.len > 0 &&
	    !addr_is_unspecified(&n->local.addr))
		return n->local.addr;
	return f->conf.nbma;
}

uint16_t
nhrp_hold(const struct nhrp_iface *f)
{
	return f->conf.hold > 0 ? f->conf.hold : NHRP_HOLD;
}

struct nhrp
nhrp_header(const struct nhrp_iface *f, const struct nhrp_node *n,
    uint8_t type, const struct addr *src, const struct addr *dst)
{
	struct addr nbma = nhrp_own_nbma(f, n);

	return (struct nhrp){
		.afn = nbma.len == 16 ? NHRP_AFN_IP6 : NHRP_AFN_IP4,
		.protocol = src->len == 16 ? NHRP_PROTO_IP6 : NHRP_PROTO_IP4,
		.hops = NHRP_HOPS, .type = type, .src_nbma = nbma,
		.src_proto = *src, .dst_proto = *dst,
	};
}

/* We, in a record of an extension; addresses of another family than the
 * packet's can not be written and are left out by the caller. */
struct nhrp_cie
nhrp_own_cie(const struct nhrp_iface *f, const struct nhrp_node *n,
    const struct addr *proto, uint8_t prefix)
{
	return (struct nhrp_cie){
		.prefix = prefix, .mtu = f->mtu, .hold = nhrp_hold(f),
		.nbma = nhrp_own_nbma(f, n), .proto = *proto,
	};
}

/* The three records that Cisco and RFC 2332, 5.3 want in requests. */
void
nhrp_put_records(struct nhrp_out *o)
{
	struct rbuf none = rbuf_of(NULL, 0);

	nhrp_ext_put(o, NHRP_EXT_RESPONDER, true, &none);
	nhrp_ext_put(o, NHRP_EXT_FORWARD, true, &none);
	nhrp_ext_put(o, NHRP_EXT_REVERSE, true, &none);
}

void
nhrp_put_auth(const struct nhrp_iface *f, struct nhrp_out *o)
{
	if (f->auth_len > 0)
		nhrp_ext_put_auth(o, f->auth, f->auth_len);
}

static void
trace(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct nhrp_node *n, const struct rbuf *data)
{
	struct nhrp_packet ev = { .direction = DIRECTION_OUT };

	if (!g->ops.wanted(g->ops.arg, &nhrp_packet_type))
		return;
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    f->conf.interface);
	ev.peer = n->peer;
	ev.remote = n->remote;
	ev.data = *data;
	g->ops.event(g->ops.arg, &nhrp_packet_type, &ev);
}

/* Finish o and send it to n. */
void
nhrp_send(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct nhrp_node *n, struct nhrp_out *o)
{
	struct gre_nhrp_send m = { .peer = n->peer };

	if (nhrp_end(o, NULL) < 0) {
		nhrp_count(g, NHRP_N_CAP);
		return;
	}
	snprintf(m.interface, sizeof(m.interface), "%s", f->conf.interface);
	m.data = wbuf_rbuf(&o->w);
	nhrp_count(g, NHRP_N_OUT);
	trace(g, f, n, &m.data);
	g->ops.call(g->ops.arg, 0, &gre_nhrp_send_type, &m);
}

/* RFC 2332, 5.2.7: never about an error, at most one a packet.  Without
 * extensions, as that section wants it. */
void
nhrp_send_error(struct nhrp_engine *g, const struct nhrp_rx *rx,
    enum nhrp_error code, uint16_t offset)
{
	struct nhrp h;
	struct nhrp_out o;
	struct rbuf raw = rx->raw;
	struct addr own = nhrp_own(rx->iface, &rx->n.src_proto);

	if (rx->n.type == NHRP_ERROR_INDICATION ||
	    rx->n.type == NHRP_TRAFFIC_INDICATION || own.len == 0 ||
	    !nhrp_node_may_err(g, rx->node))
		return;
	h = nhrp_header(rx->iface, rx->node, NHRP_ERROR_INDICATION, &own,
	    &rx->n.src_proto);
	if (h.src_nbma.len == 0)
		h.afn = rx->n.afn;
	h.code = (uint16_t)code;
	h.offset = offset;
	nhrp_begin(&o, g->out, sizeof(g->out), &h);
	raw = rbuf_sub(&raw, rbuf_left(&raw) < 1024 ? rbuf_left(&raw) : 1024);
	nhrp_put(&o, &raw);
	nhrp_count(g, NHRP_N_ERRORS_OUT);
	nhrp_send(g, rx->iface, rx->node, &o);
}

void
nhrp_refused(struct nhrp_engine *g, const struct nhrp_iface *f,
    enum direction d, const struct nhrp_node *n, const char *stage,
    const char *code, const char *fmt, ...)
{
	struct nhrp_refused ev = { .direction = d };
	char text[256];
	va_list ap;

	nhrp_count(g, NHRP_N_REFUSED);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    f->conf.interface);
	ev.peer = n != NULL ? n->peer : 0;
	reason_set(&ev.reason, stage, code, "%s", text);
	if (n != NULL)
		snprintf(ev.reason.peer, sizeof(ev.reason.peer), "%s",
		    n->identity->s);
	nhrp_event(g, &nhrp_refused_type, &ev);
}
