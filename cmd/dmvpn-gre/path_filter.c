#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "path_int.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/*
 * What the kernel lets into the UDP sockets and TAPs: filters in classic BPF,
 * which need no privilege.  path_guard.c wants strangers out, path_fair.c
 * wants less of what exceeds a peer's share.
 */
#define GUARD_LEAF	4
#define ESP_SAMPLE	255	/* one of 256 */
#define SPI_AT		8	/* behind the UDP header */
#define MAC_AT		2	/* of the peer, less two octets */

struct program {
	struct sock_filter	 code[BPF_MAXINSNS];
	unsigned		 n;
	bool			 full;
};

static unsigned
emit(struct program *g, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (g->n == BPF_MAXINSNS) {
		g->full = true;
		return 0;
	}
	g->code[g->n] = (struct sock_filter){ code, jt, jf, k };
	return g->n++;
}

#define PASS(g)	emit(g, BPF_RET | BPF_K, 0, 0, UINT32_MAX)
#define DROP(g)	emit(g, BPF_RET | BPF_K, 0, 0, 0)
#define RANDOM	((uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM))

/* Pass when A is among the sorted keys, else go on behind the tree.  misses:
 * jumps that are still to learn where that is. */
static void
tree(struct program *g, const uint32_t *key, size_t n, unsigned *misses,
    size_t *n_misses)
{
	size_t half = n / 2, i;
	unsigned right;

	if (n > GUARD_LEAF) {
		emit(g, BPF_JMP | BPF_JGE | BPF_K, 0, 1, key[half]);
		right = emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
		tree(g, key, half, misses, n_misses);
		g->code[right].k = g->n - right - 1;
		tree(g, key + half, n - half, misses, n_misses);
		return;
	}
	for (i = 0; i < n; i++) {
		emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, key[i]);
		PASS(g);
	}
	misses[(*n_misses)++] = emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void
pass_known(struct program *g, uint32_t at, const uint32_t *key, size_t n)
{
	static unsigned misses[GUARD_KEYS];
	size_t n_misses = 0, i;

	emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, at);
	tree(g, key, n, misses, &n_misses);
	for (i = 0; i < n_misses && !g->full; i++)
		g->code[misses[i]].k = g->n - misses[i] - 1;
}

/* One of so many passes; mask: a power of two, less one. */
static void
pass_sample(struct program *g, uint32_t mask)
{
	emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, RANDOM);
	emit(g, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	PASS(g);
	DROP(g);
}

/* Of each key as many as it may have; A is the packet's. */
static void
cut(struct program *g, const struct filter_cut *c, size_t n)
{
	for (; n > 0; n--, c++) {
		emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, c->key);
		emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, RANDOM);
		emit(g, BPF_JMP | BPF_JGE | BPF_K, 1, 0, c->pass);
		PASS(g);
		DROP(g);
	}
}

/* Keepalives and what is too short for us to judge pass.  A load behind the
 * end drops. */
static unsigned
begin(struct program *g)
{
	g->n = 0;
	g->full = false;
	emit(g, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	emit(g, BPF_JMP | BPF_JGE | BPF_K, 1, 0, SPI_AT + 4);
	PASS(g);
	emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, SPI_AT);
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	return emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void
keep_out(struct program *g, unsigned to_ike, const struct guard_keys *esp,
    const struct guard_keys *ike, uint32_t ike_mask)
{
	pass_known(g, SPI_AT, esp->key, esp->n);
	pass_sample(g, ESP_SAMPLE);
	g->code[to_ike].k = g->n - to_ike - 1;
	if (ike->n > 0) {
		pass_known(g, SPI_AT + 4, ike->key, ike->n);
		pass_known(g, SPI_AT + 12, ike->key, ike->n);
	}
	pass_sample(g, ike_mask);
}

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

/* Add the keys of a table, or their upper halves; false: too many. */
static bool
collect(const struct path_hash *h, unsigned shift, struct guard_keys *to)
{
	const struct path_node *n;
	size_t i;

	if (h->n == 0)
		return true;
	for (i = 0; i <= h->mask; i++)
		for (n = get(&h->slot[i]); n != NULL; n = get(&n->next)) {
			if (to->n == GUARD_MAX)
				return false;
			to->key[to->n++] = (uint32_t)(n->key >> shift);
		}
	return true;
}

static void
sort(struct guard_keys *k)
{
	qsort(k->key, k->n, sizeof(k->key[0]), key_cmp);
}

/* --------------------------------------------------------------- sockets */

_Static_assert(GUARD_KEYS <= GUARD_MAX, "room for the keys");

static void
each_socket(const struct path *p, int (*fn)(int fd, void *arg), void *arg)
{
	const struct port *port;
	unsigned i;

	for (i = 0; i < PATH_PORTS; i++)
		if ((port = get(&p->port[i])) != NULL &&
		    port->kind == PORT_SOCKET &&
		    (port->socket == PATH_UDP4 || port->socket == PATH_UDP6))
			(void)fn(port->fd, arg);
}

static int
attach(int fd, void *arg)
{
	struct program *g = arg;
	const struct sock_fprog prog = { .len = (unsigned short)g->n,
	    .filter = g->code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
	    sizeof(prog));
}

static int
detach(int fd, void *arg)
{
	(void)arg;
	filter_forget(fd);
	return 0;
}

static int
add_state(int fd, void *arg)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof(info);
	struct filter_state *s = arg;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0)
		return -1;
	s->drops += info[SK_MEMINFO_DROPS];
	if (s->room == 0 || (uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * s->room >
	    (uint64_t)s->used * info[SK_MEMINFO_RCVBUF]) {
		s->used = info[SK_MEMINFO_RMEM_ALLOC];
		s->room = info[SK_MEMINFO_RCVBUF];
	}
	return 0;
}

void
filter_state(const struct path *p, struct filter_state *s)
{
	memset(s, 0, sizeof(*s));
	each_socket(p, add_state, s);
}

/* With the keys of now; false: they are too many. */
static bool
guard_part(const struct path *p, struct program *g, unsigned to_ike)
{
	static struct guard_keys esp, ike;
	uint32_t mask = p->guard.ike_mask;

	esp.n = ike.n = 0;
	if (!collect(&p->sa, 0, &esp) || !collect(&p->early, 0, &esp) ||
	    esp.n == 0 || esp.n > GUARD_KEYS)
		return false;
	if (!collect(&p->ike, 32, &ike) || esp.n + 2 * ike.n > GUARD_KEYS) {
		ike.n = 0;
		mask = 0;
	}
	sort(&esp);
	sort(&ike);
	keep_out(g, to_ike, &esp, &ike, mask);
	return !g->full;
}

/* What does not fit must not shut anybody out. */
void
filter_write(struct path *p)
{
	static struct program g;
	const struct fair *f = &p->fair[FAIR_IN];
	unsigned to_ike = begin(&g);

	cut(&g, f->cut, f->n);
	if (p->guard.on)
		p->guard.on = guard_part(p, &g, to_ike);
	if (!p->guard.on && f->n > 0) {
		to_ike = begin(&g);
		cut(&g, f->cut, f->n);
		g.code[to_ike].k = g.n - to_ike - 1;
		PASS(&g);
	}
	if (p->guard.on || f->n > 0)
		each_socket(p, attach, &g);
	else
		each_socket(p, detach, NULL);
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
		c[n] = (struct filter_cut){ load32(mac + MAC_AT),
		    f->cut[n].pass };
	}
	g.n = 0;
	g.full = false;
	emit(&g, BPF_LD | BPF_W | BPF_ABS, 0, 0, MAC_AT);
	cut(&g, c, n);
	PASS(&g);
	prog.len = (unsigned short)g.n;
	for (k = 1; k < get(&p->iface_top); k++)
		if ((i = path_iface_find(p, k)) != NULL && get(&i->n_taps) > 0)
			(void)ioctl(get(&i->tap[0]), n > 0 ? TUNATTACHFILTER :
			    TUNDETACHFILTER, &prog);
}
