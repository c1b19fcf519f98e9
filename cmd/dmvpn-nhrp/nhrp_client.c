/* Registration at our servers (RFC 2332, 5.2.3 and 5.2.4). */
#include "nhrp_state.h"

#include <stdio.h>
#include <string.h>

static void
start(struct nhrp_engine *g, struct nhrp_server *s, uint64_t ms)
{
	nhrp_timer_start(&g->heap, &s->timer, g->now + ms);
}

static void
send_request(struct nhrp_engine *g, struct nhrp_server *s)
{
	struct nhrp_iface *f = s->iface;
	struct addr own = nhrp_own(f, &s->conf.address);
	struct nhrp h = nhrp_header(f, s->node, NHRP_REGISTRATION_REQUEST,
	    &own, &s->conf.address);
	struct nhrp_cie cie = { .mtu = f->mtu, .hold = nhrp_hold(f) };
	struct nhrp_cie nhs = { .prefix = (uint8_t)(own.len * 8),
	    .nbma = s->node->remote.addr, .proto = s->conf.address };
	struct nhrp_out o;

	/* RFC 2332, 5.2.3: a unique address has prefix length 255 */
	cie.prefix = f->conf.unique ? NHRP_PREFIX_UNIQUE :
	    (uint8_t)(own.len * 8);
	h.flags = NHRP_G_NAT | (f->conf.unique ? NHRP_G_UNIQUE : 0);
	h.id = s->id;
	nhrp_begin(&o, g->out, sizeof(g->out), &h);
	nhrp_put_cie(&o, &cie);
	nhrp_put_records(&o);
	nhrp_put_auth(f, &o);
	nhrp_ext_open(&o, NHRP_EXT_NAT, false);
	if (nhs.nbma.len == h.src_nbma.len)
		nhrp_put_cie(&o, &nhs);
	nhrp_ext_close(&o);
	nhrp_send(g, f, s->node, &o);
}

/* 1 s, doubling to 60 s, half of it at random; never stops. */
static uint64_t
backoff(struct nhrp_engine *g, unsigned tries)
{
	uint64_t ms = NHRP_RETRY_FIRST;

	while (tries-- > 0 && ms < NHRP_RETRY_MAX)
		ms *= 2;
	if (ms > NHRP_RETRY_MAX)
		ms = NHRP_RETRY_MAX;
	return ms / 2 + nhrp_random(g, (uint32_t)(ms / 2) + 1);
}

/* A retry keeps the request id (RFC 2332, 5.2.0.1). */
static void
ask(struct nhrp_engine *g, void *arg)
{
	struct nhrp_server *s = arg;
	struct reason r;

	if (s->node == NULL) {
		if (s->conf.nbma.len > 0 && s->making == 0)
			s->making = nhrp_node_make(g, s->iface,
			    &s->conf.nbma, NULL);
		start(g, s, backoff(g, s->tries++));
		return;
	}
	if (!s->asking) {
		if (strcmp(s->reason.code, "no-peer") == 0)
			reason_set(&s->reason, "registration", "no-answer",
			    "asked, and not answered yet");
		s->asking = true;
		s->id = ++s->iface->next_id;
		s->tries = 0;
		nhrp_map_server(g, s);	/* the id outlives us */
	} else if (++s->tries == NHRP_DOWN_AFTER &&
	    strcmp(s->reason.code, "authentication-failure") != 0) {
		reason_set(&r, "registration", "no-answer",
		    "the server does not answer Registration Requests");
		snprintf(r.fix, sizeof(r.fix), "compare the GRE key of both "
		    "sides (\"dmvpn-gre status\" counts gre-key there), and "
		    "see what its log says");
		nhrp_server_down(g, s, &r);
	}
	send_request(g, s);
	start(g, s, backoff(g, s->tries));
}

void
nhrp_server_init(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_server *s, const struct nhrp_nhs *conf)
{
	memset(s, 0, sizeof(*s));
	s->iface = f;
	s->conf = *conf;
	s->serial = ++g->last_serial;
	s->timer.fn = ask;
	s->timer.arg = s;
	reason_set(&s->reason, "registration", "no-peer",
	    "no connection to the server is up");
	if (conf->nbma.len > 0)
		start(g, s, 0);
}

void
nhrp_server_leave(struct nhrp_engine *g, struct nhrp_server *s)
{
	struct addr own = nhrp_own(s->iface, &s->conf.address);
	struct prefix p = prefix_host(&own);

	if (s->node == NULL || !s->up)
		return;
	/* Cisco wants the id of the registration here */
	nhrp_purge_send(g, s->iface, s->node, &s->conf.address, &p, 1,
	    s->id, false);
}

void
nhrp_server_fini(struct nhrp_engine *g, struct nhrp_server *s, bool tell)
{
	struct nhrp_node *n = s->node;

	nhrp_timer_stop(&g->heap, &s->timer);
	if (n == NULL)
		return;
	if (tell) {
		nhrp_server_leave(g, s);
		nhrp_map_delete(g, s->iface, &s->conf.address);
	}
	s->node = NULL;
	nhrp_node_release(g, n);
}

bool
nhrp_server_leads(const struct nhrp_server *s, const struct nhrp_node *n)
{
	const char *want = s->conf.connection;

	if (s->conf.nbma.len > 0)
		return n->clear != NULL &&
		    addr_equal(&n->remote.addr, &s->conf.nbma);
	if (n->clear != NULL)
		return false;
	if (want[0] != '\0')
		return strcmp(want, n->connection->s) == 0;
	return n->connection->s[0] != '\0' &&
	    strcmp(n->owner->s, NHRP_OWNER) != 0;
}

void
nhrp_server_down(struct nhrp_engine *g, struct nhrp_server *s,
    const struct reason *r)
{
	struct nhrp_nhs_down ev = { .address = s->conf.address };
	bool was = s->up || !s->told_down;
	bool tell = was || strcmp(s->reason.code, r->code) != 0;

	if (was)
		s->since = g->now;
	s->up = false;
	s->told_down = true;
	s->reason = *r;
	if (!tell)
		return;
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    s->iface->conf.interface);
	ev.reason = *r;
	nhrp_event(g, &nhrp_nhs_down_type, &ev);
}

/* The path to the server is there: register at once. */
void
nhrp_server_peer(struct nhrp_engine *g, struct nhrp_server *s,
    struct nhrp_node *n)
{
	struct prefix p = prefix_host(&s->conf.address);
	struct nhrp_node *old = s->node;
	char why[NHRP_WHY];
	struct reason r;

	if (!nhrp_claim_ok(s->iface, n, &p, why)) {
		reason_set(&r, "registration", "untrusted", "the server's "
		    "address: %s", why);
		nhrp_server_down(g, s, &r);
		return;
	}
	s->node = n;
	s->asking = false;
	s->tries = s->refusals = 0;
	nhrp_map_server(g, s);
	nhrp_fill_repoint(g, s->iface);
	if (old != NULL && old != n)
		nhrp_node_release(g, old);
	/* a restarted hub meets all its spokes at once: spread them a bit */
	start(g, s, s->up || old != NULL ? nhrp_random(g, 1000) :
	    nhrp_random(g, 50));
}

/* The same server over another connection: it had the lost one as our last
 * word, and forgot us with it. */
static void
other_way(struct nhrp_engine *g, const struct nhrp_server *lost)
{
	struct nhrp_iface *f = lost->iface;
	size_t i;

	for (i = 0; i < f->n_servers; i++) {
		struct nhrp_server *s = &f->servers[i];

		if (s == lost || s->node == NULL ||
		    !addr_equal(&s->conf.address, &lost->conf.address))
			continue;
		s->asking = false;
		nhrp_map_server(g, s);
		start(g, s, nhrp_random(g, 50));
	}
}

void
nhrp_server_lost(struct nhrp_engine *g, struct nhrp_server *s,
    const char *why)
{
	struct reason r;

	s->node = NULL;
	s->asking = false;
	s->tries = 0;
	nhrp_timer_stop(&g->heap, &s->timer);
	reason_set(&r, "registration", "no-peer",
	    "the connection to the server is down: %s", why);
	nhrp_server_down(g, s, &r);
	nhrp_fill_repoint(g, s->iface);
	if (s->conf.nbma.len > 0)
		start(g, s, backoff(g, 0));
	other_way(g, s);
}

void
nhrp_servers_find(struct nhrp_engine *g, struct nhrp_iface *f)
{
	struct nhrp_node *n;
	size_t i;

	for (i = 0; i < f->n_servers; i++) {
		struct nhrp_server *s = &f->servers[i];

		if (s->node != NULL)
			continue;
		DL_FOREACH(g->all, n)
			if (!n->marked && (n->clear != NULL || n->known) &&
			    nhrp_server_leads(s, n))
				break;
		if (n != NULL)
			nhrp_server_peer(g, s, n);
	}
}

struct nhrp_server *
nhrp_server_of(struct nhrp_iface *f, const struct nhrp_node *n)
{
	size_t i;

	for (i = 0; i < f->n_servers; i++)
		if (f->servers[i].node == n)
			return &f->servers[i];
	return NULL;
}

struct nhrp_server *
nhrp_server_best(struct nhrp_iface *f)
{
	struct nhrp_server *any = NULL;
	size_t i;

	for (i = 0; i < f->n_servers; i++) {
		struct nhrp_server *s = &f->servers[i];

		if (s->node == NULL)
			continue;
		if (s->up)
			return s;
		if (any == NULL)
			any = s;
	}
	return any;
}

/* Cisco's NAT extension: our address as the server sees it. */
static void
learn_nat(const struct nhrp_rx *rx, struct nhrp_server *s)
{
	struct addr mine = nhrp_own_nbma(s->iface, s->node);
	struct nhrp_ext ext;
	struct nhrp_cie cie;

	s->nat = addr_of(NULL, 0);
	if (mine.len == 0 || !nhrp_ext_find(&rx->n, NHRP_EXT_NAT, &ext) ||
	    !nhrp_ext_has_cies(&ext))
		return;
	while (nhrp_cie_next(&rx->n, &ext.value, &cie, NULL) > 0)
		if (addr_equal(&cie.proto, &rx->n.src_proto) &&
		    cie.nbma.len > 0 && !addr_equal(&cie.nbma, &mine))
			s->nat = cie.nbma;
}

static void
registered(struct nhrp_engine *g, struct nhrp_rx *rx, struct nhrp_server *s,
    uint16_t hold)
{
	struct nhrp_nhs_up ev = { .address = s->conf.address,
	    .peer = s->node->peer };
	uint64_t third;

	learn_nat(rx, s);
	s->hold = hold > 0 && hold < nhrp_hold(s->iface) ? hold :
	    nhrp_hold(s->iface);
	third = s->hold * 1000ULL / 3;
	if (third < 1000)
		third = 1000;
	start(g, s, third - nhrp_random(g, (uint32_t)(third / 10) + 1));
	if (s->up)
		return;
	s->up = true;
	s->told_down = false;
	s->since = g->now;
	memset(&s->reason, 0, sizeof(s->reason));
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    s->iface->conf.interface);
	ev.nat.addr = s->nat;
	nhrp_event(g, &nhrp_nhs_up_type, &ev);
	nhrp_map_server(g, s);
	nhrp_fill_repoint(g, s->iface);
}

static void
refused(struct nhrp_engine *g, struct nhrp_server *s, uint8_t code)
{
	struct name_buf nb;
	struct addr_buf ab;
	struct reason r;
	const char *name = name_text(nhrp_code_names, code, &nb);

	nhrp_count(g, NHRP_N_REFUSED);
	reason_set(&r, "registration", name, "server %s refused our "
	    "registration with code %u, %s",
	    addr_text(&s->conf.address, &ab), code, name);
	if (code == NHRP_CODE_UNIQUE)
		snprintf(r.fix, sizeof(r.fix), "another peer holds this "
		    "tunnel address: give each its own, or purge it at the "
		    "server");
	if (code == NHRP_CODE_PROHIBITED)
		snprintf(r.fix, sizeof(r.fix), "see which address the "
		    "certificate allows, and the server's log");
	nhrp_server_down(g, s, &r);
	start(g, s, backoff(g, NHRP_REFUSED_FIRST + s->refusals++));
}

void
nhrp_registration_reply(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct nhrp_server *s = rx->server;
	struct rbuf cies = rx->n.cies;
	struct nhrp_cie cie;
	size_t i;

	/* several servers may live behind one peer */
	for (i = 0; i < rx->iface->n_servers; i++) {
		struct nhrp_server *o = &rx->iface->servers[i];

		if (o->node == rx->node && o->asking && o->id == rx->n.id)
			s = o;
	}
	if (!s->asking || s->id != rx->n.id ||
	    !nhrp_is_own(rx->iface, &rx->n.src_proto) ||
	    nhrp_cie_next(&rx->n, &cies, &cie, NULL) <= 0) {
		nhrp_count(g, NHRP_N_UNEXPECTED);
		return;
	}
	if (cie.code != NHRP_CODE_OK) {
		s->asking = false;
		refused(g, s, cie.code);
		return;
	}
	s->asking = false;
	s->tries = s->refusals = 0;
	nhrp_count(g, NHRP_N_REGISTERED);
	registered(g, rx, s, cie.hold);
}
