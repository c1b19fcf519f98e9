#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gre.h"

/* What a class counts on top of the frame: outer headers and ESP with its
 * trailer, less the Ethernet header that never leaves the machine. */
#define OVERHEAD_UDP	60
#define OVERHEAD_ESP	52
#define OVERHEAD_CLEAR	14

struct gre_peer_entry *
gre_peer_find(struct gre *g, uint16_t number)
{
	return g->by_number == NULL || number > PATH_PEERS ? NULL :
	    g->by_number[number];
}

static uint16_t
free_number(struct gre *g)
{
	unsigned tries = GRE_PEER_LAST - GRE_PEER_FIRST + 1;
	uint16_t number;

	while (tries-- > 0) {
		number = g->next_peer;
		g->next_peer = number == GRE_PEER_LAST ? GRE_PEER_FIRST :
		    (uint16_t)(number + 1);
		if (gre_peer_find(g, number) == NULL)
			return number;
	}
	return 0;
}

static int
check(const struct gre_peer_set *m, struct err *e)
{
	if (addr_is_unspecified(&m->remote.addr) ||
	    addr_is_multicast(&m->remote.addr))
		return err_set(e, EINVAL, "a peer needs a remote address");
	if (m->encap == GRE_ENCAP_UDP && m->remote.port == 0)
		return err_set(e, EINVAL, "encap udp needs the remote port");
	if (m->local.addr.len != 0 &&
	    m->local.addr.len != m->remote.addr.len)
		return err_set(e, EINVAL, "local and remote address are of "
		    "different families");
	if (m->rate != 0 && m->rate < 8000)
		return err_set(e, EINVAL, "a rate is in bit/s, 8,000 is the "
		    "least");
	return 0;
}

/* The interfaces where what it sends may not come out. */
static uint64_t
denied(struct gre *g, const struct gre_kept *k)
{
	const struct gre_iface *i;
	const char *at = NULL;
	uint64_t bits = 0;

	while ((at = gre_denied(k, at)) != NULL)
		if ((i = gre_iface_find(g, at)) != NULL)
			bits |= UINT64_C(1) << i->id;
	return bits;
}

static int
tell_path(struct gre *g, const struct gre_peer_entry *p, struct err *e)
{
	const struct path_peer c = { .number = p->number,
	    .encap = p->conf.encap, .remote = p->conf.remote,
	    .local = p->conf.local, .keepalive = p->conf.keepalive,
	    .fixed = p->conf.fixed, .mtu = p->mtu,
	    .denied = denied(g, p->kept) };

	return path_peer_set(g->path, &c, e);
}

static struct gre_peer_entry *
entry_new(struct gre *g, uint16_t number, struct err *e)
{
	struct gre_peer_entry *p;

	if (g->by_number == NULL)
		g->by_number = calloc(PATH_PEERS + 1, sizeof(p));
	if (g->by_number == NULL || (p = calloc(1, sizeof(*p))) == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	p->number = number;
	p->serial = ++g->serial;
	g->by_number[number] = p;
	DL_APPEND(g->peers, p);
	g->n_peers++;
	return p;
}

static void
entry_free(struct gre *g, struct gre_peer_entry *p)
{
	g->by_number[p->number] = NULL;
	DL_DELETE(g->peers, p);
	g->n_peers--;
	gre_kept_release(p->kept);
	free(p);
}

static int
fill(struct gre *g, struct gre_peer_entry *p, const struct gre_peer_set *m,
    struct err *e)
{
	struct gre_peer_conf before = p->conf;
	struct gre_kept *kept = p->kept;

	if ((p->kept = gre_kept_peer(m, e)) == NULL) {
		p->kept = kept;
		return -1;
	}
	p->conf = (struct gre_peer_conf){ .remote = m->remote,
	    .local = m->local, .encap = m->encap,
	    .keepalive = m->keepalive, .fixed = m->fixed, .rate = m->rate };
	if (tell_path(g, p, e) < 0) {
		p->conf = before;
		gre_kept_release(p->kept);
		p->kept = kept;
		return -1;
	}
	gre_kept_release(kept);
	return 0;
}

/* The path MTU that the kernel knows: the answer is gre_peer_mtu. */
static void
ask_mtu(struct gre *g, const struct gre_peer_entry *p)
{
	struct priv_request r = gre_request(PRIV_PATH_MTU, NULL);

	r.prefix = prefix_host(&p->conf.remote.addr);
	r.peer = p->number;
	g->ops.kernel(g->ops.arg, &r, NULL);
}

int
gre_peer_state(struct gre *g, const struct gre_peer_set *m, uint16_t *number,
    struct err *e)
{
	uint16_t want = m->peer != 0 ? m->peer : free_number(g);
	struct gre_peer_entry *p = gre_peer_find(g, want);
	bool made = p == NULL;

	if (want == 0)
		return err_set(e, ENOSPC, "no peer number is free");
	if (check(m, e) < 0)
		return -1;
	if (p != NULL && strcmp(gre_owner(p->kept), m->owner) != 0)
		return err_set(e, EPERM, "peer %u belongs to %s", want,
		    gre_owner(p->kept));
	if (made && (p = entry_new(g, want, e)) == NULL)
		return -1;
	if (fill(g, p, m, e) < 0) {
		if (made)
			entry_free(g, p);
		return -1;
	}
	if (made)
		g->generation++;
	gre_note_peer(g, p, false);
	ask_mtu(g, p);
	gre_peer_shape(g, p);
	*number = want;
	return 0;
}

int
gre_peer_remove(struct gre *g, uint16_t number, struct err *e)
{
	struct gre_peer_entry *p = gre_peer_find(g, number);
	struct gre_peer_gone ev = { .peer = number };
	struct gre_route_entry *r, *r_tmp;
	struct gre_map_entry *m, *m_tmp;
	struct gre_sa_entry *s, *s_tmp;

	if (p == NULL)
		return err_set(e, ENOENT, "there is no peer %u", number);
	DL_FOREACH_SAFE(p->maps, m, m_tmp)
		gre_map_free(g, m, NULL);
	DL_FOREACH_SAFE(p->routes, r, r_tmp)
		gre_route_free(g, r, NULL);
	DL_FOREACH_SAFE(p->sas, s, s_tmp)
		gre_sa_free(g, s);
	gre_note_peer(g, p, true);
	path_peer_delete(g->path, number);
	entry_free(g, p);
	g->generation++;
	g->ops.event(g->ops.arg, &gre_peer_gone_type, &ev);
	return 0;
}

void
gre_peer_mtu(struct gre *g, uint16_t number, uint32_t mtu)
{
	struct gre_peer_entry *p = gre_peer_find(g, number);
	struct err e;

	if (p == NULL || mtu < 68 || p->mtu == mtu)
		return;
	p->mtu = (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu);
	/* Without one path assumes 1,500. */
	if (p->mtu != 1500)
		(void)tell_path(g, p, &e);
	gre_peer_changed(g, p->number);
}

void
gre_peers_deny(struct gre *g)
{
	struct gre_peer_entry *p, *tmp;
	struct err e;

	DL_FOREACH_SAFE(g->peers, p, tmp)
		if (p->kept->n_denied > 0)
			(void)tell_path(g, p, &e);
}

void
gre_peer_changed(struct gre *g, uint16_t number)
{
	const struct gre_peer_entry *p = gre_peer_find(g, number);
	const struct gre_route_entry *r;
	const struct gre_map_entry *m;

	if (p == NULL)
		return;
	DL_FOREACH(p->maps, m)
		g->ifaces[m->key.id].mtu_at = GRE_SOON;
	DL_FOREACH(p->routes, r)
		g->ifaces[r->key.id].mtu_at = GRE_SOON;
}

static void
ask_shape(struct gre *g, const struct gre_peer_entry *p, unsigned id,
    bool want)
{
	const struct gre_iface *i = gre_iface_by_id(g, id);
	struct priv_request r = gre_request(want ? PRIV_SHAPE_SET :
	    PRIV_SHAPE_DELETE, i);

	if (i == NULL)
		return;
	r.peer = p->number;
	r.rate = p->conf.rate;
	r.overhead = p->conf.encap == GRE_ENCAP_UDP ? OVERHEAD_UDP :
	    p->conf.encap == GRE_ENCAP_ESP ? OVERHEAD_ESP : OVERHEAD_CLEAR;
	g->ops.kernel(g->ops.arg, &r, NULL);
}

void
gre_peer_shape(struct gre *g, struct gre_peer_entry *p)
{
	const struct gre_route_entry *r;
	const struct gre_map_entry *m;
	uint64_t want = 0, either;
	unsigned id;

	if (p->conf.rate == 0 && p->shaped == 0)
		return;
	if (p->conf.rate != 0) {
		DL_FOREACH(p->maps, m)
			want |= UINT64_C(1) << m->key.id;
		DL_FOREACH(p->routes, r)
			want |= UINT64_C(1) << r->key.id;
	}
	either = want | p->shaped;
	for (id = 1; id < PATH_INTERFACES; id++)
		if (either >> id & 1)
			ask_shape(g, p, id, want >> id & 1);
	p->shaped = want;
}

void
gre_peers_shape(struct gre *g, unsigned id)
{
	const struct gre_peer_entry *p;

	DL_FOREACH(g->peers, p)
		if (p->shaped >> id & 1)
			ask_shape(g, p, id, true);
}
