#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path_int.h"
#include "wire/esp.h"

#define MTU_DEFAULT	1500
#define MTU_LOOK	1000	/* ms */

struct peer *
path_peer_find(const struct path *p, uint16_t number)
{
	return number < PATH_PEERS ? get(&p->peer[number]) : NULL;
}

/* Two peers behind one address differ by SPI, but bare GRE has none: there
 * the address alone is the key. */
struct peer *
path_peer_by_addr(const struct path *p, const struct addr *a)
{
	const struct path_node *n = path_hash_first(&p->by_addr,
	    path_addr_hash(p->salt, a->b, a->len));
	const struct peer_route *r;

	for (; n != NULL; n = path_hash_next(n)) {
		r = path_entry(n, struct peer_route, node);
		if (r->c.encap == GRE_ENCAP_NONE &&
		    addr_equal(&r->c.remote.addr, a))
			return r->peer;
	}
	return NULL;
}

void
endpoint_sockaddr(const struct endpoint *from, struct peer_route *r)
{
	memset(&r->to, 0, sizeof(r->to));
	if (from->addr.len == 4) {
		r->to.v4.sin_family = AF_INET;
		r->to.v4.sin_port = htons(from->port);
		memcpy(&r->to.v4.sin_addr, from->addr.b, 4);
		r->to_len = sizeof(r->to.v4);
	} else {
		r->to.v6.sin6_family = AF_INET6;
		r->to.v6.sin6_port = htons(from->port);
		memcpy(&r->to.v6.sin6_addr, from->addr.b, 16);
		r->to_len = sizeof(r->to.v6);
	}
}

static void
route_free(struct path_retire *r)
{
	free(path_entry(r, struct peer_route, retire));
}

static void
peer_free(struct path_retire *r)
{
	struct peer *peer = path_entry(r, struct peer, retire);

	free(get(&peer->out));
	free(peer);
}

static void
route_publish(struct path *p, struct peer *peer, struct peer_route *r)
{
	struct peer_route *old = get(&peer->route);

	path_hash_add(&p->by_addr, &r->node);
	put(&peer->route, r);
	if (old == NULL)
		return;
	path_hash_remove(&p->by_addr, &old->node);
	path_epoch_retire(&p->epoch, &old->retire, route_free);
	path_epoch_collect(&p->epoch);
}

/* Publish where the peer is now; its answer addresses stay. */
int
path_peer_route(struct path *p, struct peer *peer,
    const struct path_peer *c, struct err *e)
{
	const struct peer_route *old = get(&peer->route);
	struct peer_route *r = calloc(1, sizeof(*r));
	bool v6 = c->remote.addr.len == 16;

	if (r == NULL)
		return err_set(e, ENOMEM, "out of memory");
	r->c = *c;
	r->peer = peer;
	endpoint_sockaddr(&c->remote, r);
	switch (c->encap) {
	case GRE_ENCAP_UDP:
		r->kind = v6 ? PATH_UDP6 : PATH_UDP4;
		break;
	case GRE_ENCAP_ESP:
		r->kind = v6 ? PATH_ESP6 : PATH_ESP4;
		break;
	case GRE_ENCAP_NONE:
		r->kind = v6 ? PATH_GRE6 : PATH_GRE4;
		break;
	}
	if (c->encap != GRE_ENCAP_UDP) {
		r->to.v4.sin_port = 0;	/* same place in both families */
	}
	r->node.key = path_addr_hash(p->salt, c->remote.addr.b,
	    c->remote.addr.len);
	if (old != NULL) {
		r->answer4 = old->answer4;
		r->answer6 = old->answer6;
		r->ping = old->ping;
		r->ping_by = old->ping_by;
	}
	route_publish(p, peer, r);
	return 0;
}

static int
check(const struct path *p, const struct path_peer *c, struct err *e)
{
	const struct peer *other;

	if (c->number == 0 || c->number >= PATH_PEERS)
		return err_set(e, EINVAL, "peer %u, 1..%u are possible",
		    c->number, PATH_PEERS - 1);
	if (c->remote.addr.len == 0 ||
	    (c->local.addr.len != 0 &&
	    c->local.addr.len != c->remote.addr.len))
		return err_set(e, EINVAL, "peer %u: remote and local must be "
		    "addresses of one family", c->number);
	if (c->encap == GRE_ENCAP_UDP && c->remote.port == 0)
		return err_set(e, EINVAL, "peer %u: UDP needs a port",
		    c->number);
	if (c->encap != GRE_ENCAP_NONE)
		return 0;
	other = path_peer_by_addr(p, &c->remote.addr);
	if (other != NULL && other->number != c->number)
		return err_set(e, EADDRINUSE, "peer %u sends bare GRE from "
		    "that address already", other->number);
	return 0;
}

/* What was learned of the path's MTU still holds. */
static bool
same_path(const struct path_peer *a, const struct path_peer *b)
{
	return a->mtu == b->mtu && a->encap == b->encap &&
	    endpoint_equal(&a->remote, &b->remote) &&
	    addr_equal(&a->local.addr, &b->local.addr);
}

static void
path_changed(struct path *p, struct peer *peer)
{
	uint16_t mtu = get(&peer->route)->c.mtu;

	probe_init(p, peer, mtu == 0 ? MTU_DEFAULT : mtu);
	if (get(&peer->out) != NULL)
		probe_kick(p, peer);
}

int
path_peer_set(struct path *p, const struct path_peer *c, struct err *e)
{
	struct peer *peer = path_peer_find(p, c->number);
	bool fresh = peer == NULL, same;

	if (check(p, c, e) < 0)
		return -1;
	if (fresh) {
		if ((peer = calloc(1, sizeof(*peer))) == NULL)
			return err_set(e, ENOMEM, "out of memory");
		peer->number = c->number;
	}
	same = !fresh && same_path(&get(&peer->route)->c, c);
	if (path_peer_route(p, peer, c, e) < 0) {
		if (fresh)
			free(peer);
		return -1;
	}
	if (!same)
		path_changed(p, peer);
	peer->keepalive_at = c->keepalive != 0 ?
	    p->now() + c->keepalive * 1000ULL : 0;
	if (fresh) {
		peer->prev = &p->peers;
		if ((peer->next = p->peers) != NULL)
			p->peers->prev = &peer->next;
		p->peers = peer;
		put(&p->peer[c->number], peer);
	}
	if (!same && c->encap == GRE_ENCAP_NONE)
		guard_changed(p);
	return 0;
}

void
path_peer_delete(struct path *p, uint16_t number)
{
	struct peer *peer = path_peer_find(p, number);
	struct peer_route *r;

	if (peer == NULL)
		return;
	put(&p->peer[number], NULL);
	fair_forget(p, number);
	if ((*peer->prev = peer->next) != NULL)
		peer->next->prev = peer->prev;
	probe_forget(p, peer);
	r = get(&peer->route);
	p->guard.stale |= r->c.encap == GRE_ENCAP_NONE;
	path_hash_remove(&p->by_addr, &r->node);
	path_epoch_retire(&p->epoch, &r->retire, route_free);
	path_sa_drop_all(p, peer);
	path_epoch_retire(&p->epoch, &peer->retire, peer_free);
	path_epoch_collect(&p->epoch);
}

void
path_peer_free_all(struct path *p)
{
	while (p->peers != NULL)
		path_peer_delete(p, p->peers->number);
}

void
path_peer_address(struct path *p, unsigned interface, uint16_t number,
    const struct addr *a)
{
	struct peer *peer = path_peer_find(p, number);
	struct peer_route *r;

	if (peer == NULL || (r = malloc(sizeof(*r))) == NULL)
		return;
	*r = *get(&peer->route);
	if (a->len == 4)
		r->answer4 = *a;
	else
		r->answer6 = *a;
	if (r->ping.len == 0) {
		r->ping = *a;
		r->ping_by = interface;
		if (r->c.encap == GRE_ENCAP_NONE)
			probe_kick(p, peer);
	}
	route_publish(p, peer, r);
}

uint16_t
path_inner_mtu(const struct path *p, uint16_t number, unsigned interface)
{
	const struct peer *peer = path_peer_find(p, number);
	const struct iface *i = path_iface_find(p, interface);
	const struct iface_conf *c = i == NULL ? NULL : get(&i->conf);
	const struct sa_set *out = peer == NULL ? NULL : get(&peer->out);
	const struct path_sa *sa = out != NULL && out->n > 0 ? out->sa[0] :
	    NULL;
	size_t gre = c == NULL ? gre_head_len(false, true) :
	    gre_head_len(c->c.checksum, c->c.keyed);

	if (peer == NULL || (sa == NULL &&
	    get(&peer->route)->c.encap != GRE_ENCAP_NONE))
		return 0;
	if (sa != NULL && sa->mode == SA_MODE_TUNNEL)
		gre = 0;
	return wrap_mtu(get(&peer->route), get(&peer->mtu), sa, gre);
}

int
path_peer_stat(const struct path *p, uint16_t number,
    struct path_peer_stat *s)
{
	const struct peer *peer = path_peer_find(p, number);
	const struct peer_route *r;
	const struct path_sa *sa;

	if (peer == NULL)
		return -1;
	memset(s, 0, sizeof(*s));
	r = get(&peer->route);
	s->remote = r->c.remote;
	s->local = r->c.local;
	s->last_in = counted(&peer->last_in);
	s->last_out = counted(&peer->last_out);
	s->rx_packets = counted(&peer->rx_packets);
	s->rx_bytes = counted(&peer->rx_bytes);
	s->tx_packets = counted(&peer->tx_packets);
	s->tx_bytes = counted(&peer->tx_bytes);
	s->drops = counted(&peer->drops);
	s->mtu = get(&peer->mtu);
	s->how = peer->search.how;
	s->searching = peer->search.phase != MTU_IDLE;
	s->inner_mtu = path_inner_mtu(p, number, r->ping_by);
	for (sa = peer->pairs; sa != NULL; sa = sa->peer_next)
		s->sas++;
	return 0;
}

/* The path to an address takes no more than mtu: true for all peers there.
 * Spoofed messages can not push it below the floor (RFC 1191, RFC 8201). */
void
path_peer_mtu(struct path_thread *t, const struct addr *a, uint16_t mtu)
{
	struct event_head h = { .type = PATH_MTU };
	uint16_t floor = a->len == 4 ? PATH_MTU_FLOOR4 : PATH_MTU_FLOOR6;
	const struct path_node *n = path_hash_first(&t->p->by_addr,
	    path_addr_hash(t->p->salt, a->b, a->len));
	const struct peer_route *r;

	if (mtu < floor)
		mtu = floor;
	for (; n != NULL; n = path_hash_next(n)) {
		r = path_entry(n, struct peer_route, node);
		if (!addr_equal(&r->c.remote.addr, a) ||
		    get(&r->peer->mtu) <= mtu)
			continue;
		put(&r->peer->mtu, mtu);
		h.peer = r->peer->number;
		h.mtu = mtu;
		say(t, &h, NULL, 0);
	}
}

/* RFC 3948, 4: one octet of 0xff. */
static void
keepalive(struct path *p, const struct peer_route *r)
{
	static const uint8_t ff = UDP_KEEPALIVE;
	uint8_t ctl[128];
	struct iovec iov = { (void *)(uintptr_t)&ff, 1 };
	struct msghdr mh = { .msg_name = (void *)(uintptr_t)&r->to,
	    .msg_namelen = r->to_len, .msg_iov = &iov, .msg_iovlen = 1 };
	int fd = get(&p->socket[r->kind]);

	if (fd < 0 || r->c.encap != GRE_ENCAP_UDP)
		return;
	tx_control(&mh, ctl, &r->c.local.addr, r->c.remote.addr.len == 16,
	    0, 0);
	while (sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno == EINTR)
		continue;
}

/* Keepalives that are due, unless packets went out meanwhile; path MTUs get
 * old.  Returns when to come again. */
uint64_t
path_peer_tick(struct path *p, uint64_t now)
{
	const struct peer_route *r;
	struct peer *peer;
	uint64_t next = 0, every, out;
	bool age = now >= p->mtu_at + MTU_LOOK;

	for (peer = p->peers; peer != NULL; peer = peer->next) {
		r = get(&peer->route);
		if (age)
			probe_age(p, peer, now);
		if (peer->keepalive_at == 0)
			continue;
		every = r->c.keepalive * 1000ULL;
		out = counted(&peer->last_out);
		if (out + every > peer->keepalive_at)
			peer->keepalive_at = out + every;
		if (peer->keepalive_at <= now) {
			keepalive(p, r);
			peer->keepalive_at = now + every;
		}
		if (next == 0 || peer->keepalive_at < next)
			next = peer->keepalive_at;
	}
	if (age)
		p->mtu_at = now;
	return next;
}
