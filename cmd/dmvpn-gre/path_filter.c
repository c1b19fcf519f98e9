#include <linux/if_tun.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "path_int.h"
#include "path_program.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/*
 * What the kernel lets into the sockets and TAPs, which needs no privilege.
 * path_guard.c wants strangers out, path_fair.c wants less of what exceeds a
 * peer's share.
 */
#define SAMPLE	(GUARD_SAMPLE - 1)

/* What is ours: SPIs, upper halves of IKE SPIs, outer sources of bare GRE. */
enum filter_keys { KEYS_ESP, KEYS_IKE, KEYS_GRE4, KEYS_GRE6, KEYS_N };

static struct keys {
	uint32_t	key[GUARD_MAX];
	size_t		n;
	bool		fit;
} keys[KEYS_N];

/* It knows nothing of the SPIs and peers that we have. */
void
filter_forget(int fd)
{
	int none = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none,
	    sizeof(none));
}

void
filter_forget_tap(int fd)
{
	struct sock_fprog none = { 0 };

	(void)ioctl(fd, TUNDETACHFILTER, &none);
}

/* ------------------------------------------------------------------ keys */

static int
key_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
key_add(struct keys *to, uint32_t key)
{
	if (to->n == GUARD_MAX)
		to->fit = false;
	else
		to->key[to->n++] = key;
}

/* Add the keys of a table, or their upper halves. */
static void
collect(const struct path_hash *h, unsigned shift, struct keys *to)
{
	const struct path_node *n;
	size_t i;

	for (i = 0; h->n > 0 && to->fit && i <= h->mask; i++)
		for (n = get(&h->slot[i]); n != NULL; n = get(&n->next))
			key_add(to, (uint32_t)(n->key >> shift));
}

static void
collect_bare(const struct path *p)
{
	const struct peer *peer;
	const struct path_peer *c;

	for (peer = p->peers; peer != NULL; peer = peer->next) {
		c = &get(&peer->route)->c;
		if (c->encap != GRE_ENCAP_NONE)
			continue;
		key_add(&keys[c->remote.addr.len == 4 ? KEYS_GRE4 :
		    KEYS_GRE6], filter_source(&c->remote.addr));
	}
}

static void
collect_all(const struct path *p)
{
	unsigned i;

	for (i = 0; i < KEYS_N; i++) {
		keys[i].n = 0;
		keys[i].fit = true;
	}
	collect(&p->sa, 0, &keys[KEYS_ESP]);
	collect(&p->early, 0, &keys[KEYS_ESP]);
	collect(&p->ike, 32, &keys[KEYS_IKE]);
	collect_bare(p);
	for (i = 0; i < KEYS_N; i++) {
		qsort(keys[i].key, keys[i].n, sizeof(keys[i].key[0]),
		    key_cmp);
		keys[i].fit = keys[i].fit && keys[i].n <= GUARD_KEYS;
	}
}

uint32_t
filter_source(const struct addr *a)
{
	return load32(a->b + a->len - 4);
}

/* --------------------------------------------------------------- sockets */

_Static_assert(GUARD_KEYS <= GUARD_MAX, "room for the keys");

static bool
is_udp(enum path_socket kind)
{
	return kind == PATH_UDP4 || kind == PATH_UDP6;
}

static void
add_state(const struct port *port, struct filter_state *s)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof(info);

	if (getsockopt(port->fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0)
		return;
	*(is_udp(port->socket) ? &s->drops : &s->raw_drops) +=
	    info[SK_MEMINFO_DROPS];
	if (s->room == 0 || (uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * s->room >
	    (uint64_t)s->used * info[SK_MEMINFO_RCVBUF]) {
		s->used = info[SK_MEMINFO_RMEM_ALLOC];
		s->room = info[SK_MEMINFO_RCVBUF];
	}
}

void
filter_state(const struct path *p, struct filter_state *s)
{
	const struct port *port;
	unsigned i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < PATH_PORTS; i++)
		if ((port = get(&p->port[i])) != NULL &&
		    port->kind == PORT_SOCKET)
			add_state(port, s);
}

/* Each raw socket gets all: it must leave what is another receiver's. */
static bool
shared(const struct path *p, enum path_socket kind)
{
	return (kind == PATH_ESP4 || kind == PATH_ESP6) && p->n_in > 1 &&
	    p->n_sockets[kind] == p->n_in;
}

static void
begin(const struct path *p, struct program *g, enum path_socket kind)
{
	switch (kind) {
	case PATH_UDP4:
	case PATH_UDP6:
		program_udp(g);
		break;
	case PATH_ESP4:
	case PATH_ESP6:
		program_esp(g, kind == PATH_ESP4);
		if (shared(p, kind))
			program_share(g, p->n_in);
		break;
	case PATH_GRE4:
	case PATH_GRE6:
		program_gre(g, kind == PATH_GRE4);
		break;
	}
}

static enum filter_of
key_of(enum path_socket kind)
{
	switch (kind) {
	case PATH_UDP4:
	case PATH_UDP6:
	case PATH_ESP4:
	case PATH_ESP6:
		break;
	case PATH_GRE4:
		return OF_SOURCE4;
	case PATH_GRE6:
		return OF_SOURCE6;
	}
	return OF_SPI;
}

/* Those that such a socket sees; returns how many. */
static size_t
cuts(const struct path *p, struct program *g, enum path_socket kind)
{
	static struct filter_cut c[FAIR_CUTS];
	const struct fair *f = &p->fair[FAIR_IN];
	size_t i, n = 0;

	for (i = 0; i < f->n; i++)
		if (f->cut[i].of == key_of(kind))
			c[n++] = f->cut[i];
	program_cut(g, c, n);
	return n;
}

static bool
keep_out_udp(const struct path *p, struct program *g)
{
	const struct keys *esp = &keys[KEYS_ESP], *ike = &keys[KEYS_IKE];
	bool room = ike->fit && esp->n + 2 * ike->n <= GUARD_KEYS;

	program_keys(g, esp->key, esp->n);
	program_sample(g, SAMPLE);
	program_ike(g, ike->key, room ? ike->n : 0);
	program_sample(g, room ? p->guard.asked[ASK_IKE].mask : 0);
	return !g->full;
}

static bool
keep_out(const struct path *p, struct program *g, enum path_socket kind)
{
	const struct keys *k = &keys[kind == PATH_GRE4 ? KEYS_GRE4 :
	    kind == PATH_GRE6 ? KEYS_GRE6 : KEYS_ESP];

	if (!k->fit || k->n == 0)
		return false;
	if (is_udp(kind))
		return keep_out_udp(p, g);
	program_keys(g, k->key, k->n);
	if (key_of(kind) != OF_SPI)
		program_sample_nhrp(g, p->guard.asked[ASK_NHRP].mask);
	program_sample(g, SAMPLE);
	return !g->full;
}

static void
attach(struct program *g, const struct port *port)
{
	struct sock_fprog prog = { .filter = g->code };

	if (g->n == 0) {
		filter_forget(port->fd);
		return;
	}
	program_receiver(g, port->thread);
	prog.len = (unsigned short)g->n;
	(void)setsockopt(port->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
	    sizeof(prog));
}

/* All but what is cut; empty: all. */
static void
let_in(const struct path *p, struct program *g, enum path_socket kind)
{
	begin(p, g, kind);
	if (cuts(p, g, kind) == 0 && !shared(p, kind)) {
		g->n = 0;
		return;
	}
	if (is_udp(kind))
		program_ike(g, NULL, 0);
	program_pass(g);
}

/* What does not fit must not shut anybody out.  true: strangers stay out. */
static bool
write_kind(const struct path *p, enum path_socket kind)
{
	static struct program g;
	const struct port *port;
	bool kept = false;
	unsigned i;

	if (p->guard.on) {
		begin(p, &g, kind);
		cuts(p, &g, kind);
		kept = keep_out(p, &g, kind);
	}
	if (!kept)
		let_in(p, &g, kind);
	for (i = 0; i < PATH_PORTS; i++)
		if ((port = get(&p->port[i])) != NULL &&
		    port->kind == PORT_SOCKET && port->socket == kind)
			attach(&g, port);
	return kept;
}

void
filter_write(struct path *p)
{
	bool kept = false;
	unsigned i;

	if (p->guard.on)
		collect_all(p);
	for (i = 0; i < PATH_SOCKETS; i++)
		if (p->n_sockets[i] > 0)
			kept = write_kind(p, (enum path_socket)i) || kept;
	p->guard.on = kept;
}

/* A frame's destination names its peer; those that name none pass. */
void
filter_write_taps(struct path *p)
{
	static struct program g;
	static struct filter_cut c[FAIR_CUTS];
	const struct fair *f = &p->fair[FAIR_OUT];
	struct sock_fprog prog = { .filter = g.code };
	const struct iface *i;
	uint8_t mac[6];
	unsigned k;
	size_t n;

	for (n = 0; n < f->n; n++) {
		path_mac((uint16_t)f->cut[n].key, mac);
		c[n] = f->cut[n];
		c[n].key = load32(mac + 2);
	}
	program_frame(&g);
	program_cut(&g, c, n);
	program_pass(&g);
	prog.len = (unsigned short)g.n;
	for (k = 1; k < get(&p->iface_top); k++)
		if ((i = path_iface_find(p, k)) != NULL && get(&i->n_taps) > 0)
			(void)ioctl(get(&i->tap[0]), n > 0 ? TUNATTACHFILTER :
			    TUNDETACHFILTER, &prog);
}
