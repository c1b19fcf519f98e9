/* A packet comes in: what may come, to whom, and who handles it. */
#include "nhrp_state.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"

#define FROM_NHS	1	/* only from a server's peer */
#define NO_AUTH		2	/* the handler looks at authentication */

/*
 * packet type x role -> handler.  What has no row is refused in nhrp_input_raw.
 * Whether a packet is for us or in transit the handler decides by
 * destination (requests) or source (replies), RFC 2332, 5.2.
 */
static const struct nhrp_step {
	uint8_t		type;
	enum nhrp_role	role;
	unsigned	flags;
	void (*handle)(struct nhrp_engine *g, struct nhrp_rx *rx);
} steps[] = {
	{ NHRP_RESOLUTION_REQUEST, NHRP_ROLE_HUB, 0,
	    nhrp_resolution_request },
	{ NHRP_RESOLUTION_REQUEST, NHRP_ROLE_SPOKE, 0,
	    nhrp_resolution_request },
	{ NHRP_RESOLUTION_REPLY, NHRP_ROLE_HUB, 0, nhrp_resolution_reply },
	{ NHRP_RESOLUTION_REPLY, NHRP_ROLE_SPOKE, 0, nhrp_resolution_reply },
	{ NHRP_REGISTRATION_REQUEST, NHRP_ROLE_HUB, 0,
	    nhrp_registration_request },
	{ NHRP_REGISTRATION_REPLY, NHRP_ROLE_SPOKE, FROM_NHS,
	    nhrp_registration_reply },
	{ NHRP_PURGE_REQUEST, NHRP_ROLE_HUB, 0, nhrp_purge_request },
	{ NHRP_PURGE_REQUEST, NHRP_ROLE_SPOKE, 0, nhrp_purge_request },
	{ NHRP_PURGE_REPLY, NHRP_ROLE_HUB, 0, nhrp_purge_reply },
	{ NHRP_PURGE_REPLY, NHRP_ROLE_SPOKE, 0, nhrp_purge_reply },
	{ NHRP_ERROR_INDICATION, NHRP_ROLE_HUB, NO_AUTH,
	    nhrp_error_indication },
	{ NHRP_ERROR_INDICATION, NHRP_ROLE_SPOKE, NO_AUTH,
	    nhrp_error_indication },
	{ NHRP_TRAFFIC_INDICATION, NHRP_ROLE_SPOKE, FROM_NHS,
	    nhrp_traffic_indication },
};

static const struct nhrp_step *
find_step(const struct nhrp_rx *rx)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].type == rx->n.type &&
		    steps[i].role == rx->iface->conf.role)
			return &steps[i];
	return NULL;
}

static void
trace(struct nhrp_engine *g, const struct nhrp_rx *rx, const char *drop)
{
	struct nhrp_packet ev = { .direction = DIRECTION_IN };

	if (!g->ops.wanted(g->ops.arg, &nhrp_packet_type))
		return;
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    rx->iface->conf.interface);
	ev.peer = rx->node != NULL ? rx->node->peer : 0;
	ev.remote = rx->remote;
	ev.data = rx->raw;
	snprintf(ev.drop, sizeof(ev.drop), "%.126s", drop);
	g->ops.event(g->ops.arg, &nhrp_packet_type, &ev);
}

static void
drop(struct nhrp_engine *g, const struct nhrp_rx *rx, enum nhrp_count c,
    const char *why)
{
	nhrp_count(g, c);
	trace(g, rx, why);
}

/* NULL: right, or none is wanted. */
static const char *
auth_fault(const struct nhrp_rx *rx)
{
	const struct nhrp_iface *f = rx->iface;
	struct nhrp_ext ext;
	struct rbuf text;

	if (f->auth_len == 0)
		return NULL;
	if (!nhrp_ext_find(&rx->n, NHRP_EXT_AUTH, &ext))
		return "came without authentication";
	if (!nhrp_ext_auth(&ext, &text) || rbuf_left(&text) != f->auth_len ||
	    !secret_equal(text.p, f->auth, f->auth_len))
		return "came with another authentication than ours";
	return NULL;
}

/* It does answer, but we can not take it. */
static void
tell_server(struct nhrp_engine *g, const struct nhrp_rx *rx,
    const char *fault)
{
	struct reason r;

	if (rx->server == NULL || rx->server->up ||
	    rx->n.type != NHRP_REGISTRATION_REPLY)
		return;
	reason_set(&r, "registration", "authentication-failure",
	    "the server's answer %s", fault);
	snprintf(r.fix, sizeof(r.fix), "compare the NHRP authentication of "
	    "both sides");
	nhrp_server_down(g, rx->server, &r);
}

static bool
check_auth(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	const char *fault = auth_fault(rx);
	struct name_buf nb;
	struct addr_buf ab;

	if (fault == NULL)
		return true;
	nhrp_refused(g, rx->iface, DIRECTION_IN, rx->node, "authentication",
	    "authentication-failure", "%s of %s %s",
	    name_text(nhrp_packet_names, rx->n.type, &nb),
	    addr_text(&rx->n.src_proto, &ab), fault);
	tell_server(g, rx, fault);
	drop(g, rx, NHRP_N_AUTH, fault);
	nhrp_send_error(g, rx, NHRP_ERR_AUTH, 0);
	return false;
}

/* RFC 2332, 5.3: a compulsory extension that we do not know. */
static bool
check_extensions(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct rbuf in = rx->n.exts;
	struct nhrp_ext ext;

	while (nhrp_ext_next(&in, &ext, NULL) > 0) {
		if (!ext.compulsory ||
		    name_find(nhrp_extension_names, ext.type) != NULL)
			continue;
		drop(g, rx, NHRP_N_EXTENSION, "unknown compulsory extension");
		nhrp_send_error(g, rx, NHRP_ERR_EXTENSION, 0);
		return false;
	}
	return true;
}

/* Bound to their owner: a peer speaks for nobody else (hub). */
static bool
check_source(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	const struct nhrp_binding *b;
	bool ours = rx->n.src_proto.len > 0 &&
	    nhrp_is_own(rx->iface, &rx->n.src_proto);
	bool reply = rx->n.type == NHRP_RESOLUTION_REPLY ||
	    rx->n.type == NHRP_REGISTRATION_REPLY ||
	    rx->n.type == NHRP_PURGE_REPLY;

	if (reply)
		return true;
	if (ours) {
		drop(g, rx, NHRP_N_LOOP, "our own packet came back");
		return false;
	}
	if (rx->iface->conf.role != NHRP_ROLE_HUB ||
	    rx->n.type == NHRP_REGISTRATION_REQUEST)
		return true;
	b = nhrp_binding_find(rx->iface, &rx->n.src_proto);
	if (b != NULL && b->node == rx->node)
		return true;
	drop(g, rx, NHRP_N_SPOOFED, "its source is not registered there");
	return false;
}

static void
handle(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	const struct nhrp_step *step = find_step(rx);

	if (step == NULL) {
		drop(g, rx, NHRP_N_NO_STEP, "not for this role");
		return;
	}
	if (!(step->flags & NO_AUTH) && !check_auth(g, rx))
		return;
	if ((step->flags & FROM_NHS) && rx->server == NULL) {
		drop(g, rx, NHRP_N_NOT_NHS, "not from a server of ours");
		return;
	}
	if (!check_extensions(g, rx) || !check_source(g, rx))
		return;
	if (nhrp_looped(rx)) {
		drop(g, rx, NHRP_N_LOOP, "it was here before");
		nhrp_send_error(g, rx, NHRP_ERR_LOOP, 0);
		return;
	}
	trace(g, rx, "");
	step->handle(g, rx);
}

void
nhrp_input_raw(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_node *n, const struct endpoint *remote, struct rbuf raw)
{
	struct nhrp_rx rx = { .iface = f, .node = n, .remote = *remote,
	    .raw = raw };
	struct err e = { 0 };

	nhrp_count(g, NHRP_N_IN);
	if (!nhrp_node_take(g, n)) {
		drop(g, &rx, NHRP_N_RATE, "too many from this peer");
		return;
	}
	if (nhrp_parse(raw, &rx.n, &e) < 0) {
		drop(g, &rx, NHRP_N_MALFORMED, e.msg);
		return;
	}
	if (f->conf.profile[0] != '\0' && n->clear != NULL) {
		drop(g, &rx, NHRP_N_STRANGER, "not from a protected peer");
		return;
	}
	rx.server = nhrp_server_of(f, n);
	n->refs++;	/* what the packet ends may be its sender's last */
	handle(g, &rx);
	n->refs--;
	nhrp_node_release(g, n);
}

/* protect none: the outer source is who it is.  A peer is made only for a
 * packet that is well-formed and knows the secret, and for a few that do not:
 * who mistyped it is told. */
static void
input_stranger(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct gre_nhrp *m)
{
	struct nhrp_rx rx = { .iface = f, .remote = m->remote,
	    .raw = m->data };
	struct nhrp_node *n = nhrp_node_clear(g, &m->remote.addr);
	struct err e = { 0 };
	const char *fault;

	if (n != NULL) {
		nhrp_input_raw(g, f, n, &m->remote, m->data);
		return;
	}
	if (f->conf.profile[0] != '\0') {
		drop(g, &rx, NHRP_N_STRANGER, "not from a protected peer");
		return;
	}
	if (nhrp_parse(m->data, &rx.n, &e) < 0) {
		drop(g, &rx, NHRP_N_MALFORMED, e.msg);
		return;
	}
	if (rx.n.type == NHRP_ERROR_INDICATION || find_step(&rx) == NULL) {
		drop(g, &rx, NHRP_N_STRANGER, "from an unknown address");
		return;
	}
	fault = auth_fault(&rx);
	if (fault != NULL && !nhrp_node_may_warn(g)) {
		drop(g, &rx, NHRP_N_AUTH, fault);
		return;
	}
	nhrp_node_make(g, f, &m->remote.addr, &m->data);
}

void
nhrp_input_late(struct nhrp_engine *g, const struct gre_nhrp *m)
{
	struct nhrp_rx rx = { .remote = m->remote, .raw = m->data };

	rx.iface = nhrp_iface_find(g, m->interface);
	if (rx.iface != NULL)
		drop(g, &rx, NHRP_N_STRANGER, "from a peer that is not up");
}

void
nhrp_input(struct nhrp_engine *g, const struct gre_nhrp *m)
{
	struct nhrp_iface *f = nhrp_iface_find(g, m->interface);
	struct nhrp_node *n;

	if (f == NULL)
		return;
	n = m->peer > 0 ? g->nodes[m->peer] : NULL;
	if (n != NULL && (n->clear != NULL || n->known))
		nhrp_input_raw(g, f, n, &m->remote, m->data);
	else if (m->peer == 0)
		input_stranger(g, f, m);
	else if (!nhrp_early_keep(g, m))
		nhrp_input_late(g, m);
}
