#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>

#include "path_int.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/*
 * While strangers flood port 4500 the kernel drops what is not ours before it
 * costs us anything: a socket filter (classic BPF, which needs no privilege)
 * that knows our SPIs.  A sample of the rest passes, so that a peer that lost
 * its SA, or a new one, is heard; and IKE up to a rate that the bucket of
 * path_ike.c cuts further.  With more SPIs than a filter holds there is none.
 */
#define GUARD_ON	10000	/* a second, of strangers */
#define GUARD_OFF	1000
#define GUARD_CALM	10	/* s below that, then it goes */
#define GUARD_KEYS	1200	/* about 2.75 instructions each, of 4,096 */
#define GUARD_LEAF	4
#define ESP_SAMPLE	255	/* one of 256 */
#define IKE_ENOUGH	16000	/* a second */
#define SPI_AT		8	/* behind the UDP header */

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
	emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
	emit(g, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	PASS(g);
	DROP(g);
}

/* Keepalives and what is too short for us to judge pass.  A load behind the
 * end drops. */
static void
write_program(struct program *g, const struct guard_keys *esp,
    const struct guard_keys *ike, uint32_t ike_mask)
{
	unsigned to_ike;

	g->n = 0;
	g->full = false;
	emit(g, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	emit(g, BPF_JMP | BPF_JGE | BPF_K, 1, 0, SPI_AT + 4);
	PASS(g);
	emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, SPI_AT);
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	to_ike = emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
	pass_known(g, SPI_AT, esp->key, esp->n);
	pass_sample(g, ESP_SAMPLE);
	g->code[to_ike].k = g->n - to_ike - 1;
	if (ike->n > 0) {
		pass_known(g, SPI_AT + 4, ike->key, ike->n);
		pass_known(g, SPI_AT + 12, ike->key, ike->n);
	}
	pass_sample(g, ike_mask);
}

/* ------------------------------------------------------------------ keys */

static int
key_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The keys of a table, or their upper halves; false: too many. */
static bool
collect(const struct path_hash *h, unsigned shift, struct guard_keys *to)
{
	const struct path_node *n;
	size_t i;

	to->n = 0;
	for (i = 0; i <= h->mask; i++)
		for (n = get(&h->slot[i]); n != NULL; n = get(&n->next)) {
			if (to->n == GUARD_MAX)
				return false;
			to->key[to->n++] = (uint32_t)(n->key >> shift);
		}
	qsort(to->key, to->n, sizeof(to->key[0]), key_cmp);
	return true;
}

/* ------------------------------------------------------------- the guard */

_Static_assert(GUARD_KEYS <= GUARD_MAX, "room for the keys");

static void
each_socket(struct path *p, int (*fn)(int fd, void *arg), void *arg)
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
	int none = 0;

	(void)arg;
	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none,
	    sizeof(none));
}

/* What sockets dropped so far: by the filter, or for want of room. */
static int
add_drops(int fd, void *arg)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof(info);
	uint64_t *sum = arg;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) == 0)
		*sum += info[SK_MEMINFO_DROPS];
	return 0;
}

static void
guard_off(struct path *p)
{
	p->guard.on = false;
	each_socket(p, detach, NULL);
}

/* A power of two that leaves about enough of so many. */
static uint32_t
mask_for(uint64_t rate)
{
	uint32_t parts = 1;

	while (rate / parts > IKE_ENOUGH && parts < 4096)
		parts *= 2;
	return parts - 1;
}

/* With the keys of now.  What does not fit must not shut anybody out. */
static void
guard_write(struct path *p)
{
	static struct guard_keys esp, ike;
	static struct program g;
	uint32_t mask = mask_for(p->guard.ike_rate);

	if (!collect(&p->sa, 0, &esp) || esp.n == 0 || esp.n > GUARD_KEYS) {
		guard_off(p);
		return;
	}
	if (!collect(&p->ike, 32, &ike) || esp.n + 2 * ike.n > GUARD_KEYS) {
		ike.n = 0;
		mask = 0;
	}
	write_program(&g, &esp, &ike, mask);
	if (g.full) {
		guard_off(p);
		return;
	}
	p->guard.on = true;
	each_socket(p, attach, &g);
}

void
guard_changed(struct path *p)
{
	if (p->guard.on)
		guard_write(p);
}

static uint64_t
strangers(const struct path *p, enum path_drop why)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < p->n_threads; i++)
		sum += counted(&p->thread[i].drops[why]);
	return sum;
}

/* Counters only grow; the kernel's are of 32 bits and of a socket's life. */
static uint64_t
grown(uint64_t *was, uint64_t now)
{
	uint64_t more = now >= *was ? now - *was : 0;

	*was = now;
	return more;
}

/* Once a second. */
void
guard_tick(struct path *p, uint64_t now)
{
	struct guard *g = &p->guard;
	uint64_t sockets = 0, spi, ike, lost, ms = now - g->at;

	if (ms < 1000)
		return;
	each_socket(p, add_drops, &sockets);
	spi = grown(&g->spi, strangers(p, DROP_SPI)) * 1000 / ms;
	ike = grown(&g->ike, strangers(p, DROP_IKE_RATE)) * 1000 / ms;
	lost = grown(&g->sockets, sockets);
	count(&g->drops[g->on], lost);
	lost = lost * 1000 / ms;
	g->at = now;
	g->calm = spi + ike + (g->on ? lost : 0) >= GUARD_OFF ? 0 :
	    g->calm + 1;
	if (!g->on && spi + ike >= GUARD_ON) {
		g->ike_rate = ike;
		guard_write(p);
	} else if (g->on && g->calm >= GUARD_CALM) {
		guard_off(p);
	} else if (g->on && ike > IKE_ENOUGH) {
		g->ike_rate = ike * (mask_for(g->ike_rate) + 1);
		guard_write(p);
	} else if (g->on && g->stale) {
		guard_write(p);
	}
	g->stale = false;
}
