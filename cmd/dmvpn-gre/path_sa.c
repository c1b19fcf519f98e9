#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "path_int.h"
#include "wire/esp.h"

/* Without ESN the number ends at 2^32 - 1; several threads may each be a
 * batch ahead when they look. */
#define HARD_32		((1ULL << 32) - (1ULL << 16))
#define SOFT_OF(n)	((n) / 4 * 3)

static const enum esp_alg algs[] = {
	[ESP_CIPHER_AES128_GCM] = ESP_AES128_GCM,
	[ESP_CIPHER_AES256_GCM] = ESP_AES256_GCM,
	[ESP_CIPHER_CHACHA20_POLY1305] = ESP_CHACHA20_POLY1305,
	[ESP_CIPHER_AES128_CBC_SHA256] = ESP_AES128_CBC_SHA256,
	[ESP_CIPHER_AES256_CBC_SHA256] = ESP_AES256_CBC_SHA256,
};

struct path_sa *
path_sa_find(const struct path *p, uint32_t spi)
{
	struct path_node *n = path_hash_first(&p->sa, spi);

	return n == NULL ? NULL : path_entry(n, struct path_sa, node);
}

static void
sa_destroy(struct path_sa *sa)
{
	esp_key_free(sa->in);
	esp_key_free(sa->out);
	free(sa->replay);
	free(sa->local_ts);
	free(sa->remote_ts);
	free(sa);
}

static void
sa_free(struct path_retire *r)
{
	sa_destroy(path_entry(r, struct path_sa, retire));
}

static void
set_free(struct path_retire *r)
{
	free(path_entry(r, struct sa_set, retire));
}

/* May it send: not dying, and not waiting while another can. */
static bool
usable(const struct path_sa *sa, bool others)
{
	return !sa->dying && (!sa->standby || !others);
}

/* The outbound choice of a peer: the highest turn first. */
static int
set_publish(struct path *p, struct peer *peer, struct err *e)
{
	struct sa_set *set, *old;
	struct path_sa *sa, *next;
	bool others = false;
	size_t i, n = 0;

	for (sa = peer->pairs; sa != NULL; sa = sa->peer_next, n++)
		others = others || (!sa->dying && !sa->standby);
	if ((set = calloc(1, sizeof(*set) + n * sizeof(set->sa[0]))) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	for (sa = peer->pairs; sa != NULL; sa = sa->peer_next) {
		if (!usable(sa, others))
			continue;
		next = sa;
		for (i = 0; i < set->n && next != NULL; i++)
			if (set->sa[i]->turn < next->turn) {
				struct path_sa *lower = set->sa[i];

				set->sa[i] = next;
				next = lower;
			}
		set->sa[set->n++] = next;
		set->queued = set->queued || sa->queue != 0;
	}
	old = get(&peer->out);
	put(&peer->out, set);
	if (old != NULL)
		path_epoch_retire(&p->epoch, &old->retire, set_free);
	return 0;
}

static int
copy_selectors(struct path_sa *sa, const struct gre_sa_add *m)
{
	sa->n_local = (uint8_t)m->n_local_ts;
	sa->n_remote = (uint8_t)m->n_remote_ts;
	if (sa->n_local > 0 && (sa->local_ts = malloc(sa->n_local *
	    sizeof(struct selector))) == NULL)
		return -1;
	if (sa->n_remote > 0 && (sa->remote_ts = malloc(sa->n_remote *
	    sizeof(struct selector))) == NULL)
		return -1;
	if (sa->n_local > 0)
		memcpy(sa->local_ts, m->local_ts,
		    sa->n_local * sizeof(struct selector));
	if (sa->n_remote > 0)
		memcpy(sa->remote_ts, m->remote_ts,
		    sa->n_remote * sizeof(struct selector));
	return 0;
}

static uint64_t
least(uint64_t asked, uint64_t most)
{
	return asked == 0 || asked > most ? most : asked;
}

static void
limits(struct path_sa *sa, const struct gre_sa_add *m)
{
	const struct esp_suite *s = esp_key_suite(sa->out);

	sa->hard_packets = least(m->hard_packets,
	    m->esn || s->packets < HARD_32 ? s->packets : HARD_32);
	sa->soft_packets = least(m->soft_packets, SOFT_OF(sa->hard_packets));
	sa->hard_bytes = least(m->hard_bytes, s->bytes);
	sa->soft_bytes = least(m->soft_bytes, SOFT_OF(sa->hard_bytes));
}

static int
sa_keys(struct path *p, struct path_sa *sa, const struct gre_sa_add *m,
    struct err *e)
{
	uint32_t window = m->window == 0 ? REPLAY_WINDOW : m->window;

	sa->in = esp_key_new(algs[m->cipher], false, m->key_in.p,
	    rbuf_left(&m->key_in), 1, e);
	if (sa->in == NULL)
		return err_in(e, "inbound");
	sa->out = esp_key_new(algs[m->cipher], true, m->key_out.p,
	    rbuf_left(&m->key_out), p->n_out, e);
	if (sa->out == NULL)
		return err_in(e, "outbound");
	sa->replay = malloc(replay_size(window));
	if (sa->replay == NULL || copy_selectors(sa, m) < 0)
		return err_set(e, ENOMEM, "out of memory");
	replay_init(sa->replay, window);
	return 0;
}

/* The message in order?  Its install id counts as used from here on, even
 * when something else fails: the same keys never come twice. */
static int
check(struct path *p, const struct gre_sa_add *m, unsigned interface,
    struct err *e)
{
	uint64_t id;

	if ((unsigned)m->cipher >= ESP_ALG_N)
		return err_set(e, EINVAL, "unknown cipher %u", m->cipher);
	if (m->mode == SA_MODE_TUNNEL && (interface == 0 ||
	    interface >= PATH_INTERFACES))
		return err_set(e, EINVAL, "tunnel mode needs an interface");
	if (path_peer_find(p, m->peer) == NULL)
		return err_set(e, ENOENT, "no peer %u", m->peer);
	if (path_sa_find(p, m->spi_in) != NULL)
		return err_set(e, EEXIST, "inbound SPI %08x is in use",
		    m->spi_in);
	id = path_addr_hash(p->salt, m->install.p, rbuf_left(&m->install));
	if (!install_set_add(p->installs, id))
		return err_set(e, EEXIST, "this install id was seen before");
	return 0;
}

int
path_sa_add(struct path *p, const struct gre_sa_add *m, unsigned interface,
    struct err *e)
{
	struct peer *peer;
	struct path_sa *sa;

	if (check(p, m, interface, e) < 0)
		return -1;
	peer = path_peer_find(p, m->peer);
	if ((sa = calloc(1, sizeof(*sa))) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	sa->peer = peer;
	sa->spi_in = m->spi_in;
	sa->spi_out = m->spi_out;
	sa->mode = m->mode;
	sa->interface = (uint8_t)interface;
	sa->queue = m->queue;
	sa->esn = m->esn;
	sa->standby = m->standby;
	sa->added = p->now();
	sa->turn = ++p->turn;
	sa->node.key = m->spi_in;
	if (sa_keys(p, sa, m, e) < 0) {
		sa_destroy(sa);
		return err_in(e, "SA %08x", m->spi_in);
	}
	limits(sa, m);
	sa->peer_next = peer->pairs;
	peer->pairs = sa;
	if (set_publish(p, peer, e) < 0) {
		peer->pairs = sa->peer_next;
		sa_destroy(sa);
		return -1;
	}
	path_hash_add(&p->sa, &sa->node);
	if (!early_come(p, sa->spi_in))
		guard_changed(p);
	probe_kick(p, peer);
	path_epoch_collect(&p->epoch);
	return 0;
}

int
path_sa_use(struct path *p, uint32_t spi, struct err *e)
{
	struct path_sa *sa = path_sa_find(p, spi);

	if (sa == NULL)
		return err_set(e, ENOENT, "no SA with inbound SPI %08x",
		    spi);
	if (!sa->standby)
		return 0;
	sa->standby = false;
	sa->turn = ++p->turn;
	if (set_publish(p, sa->peer, e) < 0)
		return -1;
	path_epoch_collect(&p->epoch);
	return 0;
}

/* The first authentic packet came in: the peer has it, so use it. */
void
path_sa_seen(struct path *p, uint32_t spi)
{
	(void)path_sa_use(p, spi, NULL);
}

/* Take it out of everything that control and threads look into. */
static void
sa_remove(struct path *p, struct path_sa *sa)
{
	struct event_head h = { .type = PATH_SA_GONE,
	    .peer = sa->peer->number, .spi = sa->spi_in };
	struct path_sa **at = &sa->peer->pairs;

	while (*at != NULL && *at != sa)
		at = &(*at)->peer_next;
	if (*at != NULL)
		*at = sa->peer_next;
	p->n_dying -= sa->gone_at != 0;
	path_hash_remove(&p->sa, &sa->node);
	p->guard.stale = true;
	path_epoch_retire(&p->epoch, &sa->retire, sa_free);
	say_own(p, &h);
}

int
path_sa_delete(struct path *p, uint32_t spi, uint32_t grace, struct err *e)
{
	struct path_sa *sa = path_sa_find(p, spi);
	uint64_t at = p->now() + grace;

	if (sa == NULL)
		return err_set(e, ENOENT, "no SA with inbound SPI %08x",
		    spi);
	p->n_dying += sa->gone_at == 0;
	if (sa->gone_at == 0 || sa->gone_at > at)
		sa->gone_at = at;
	sa->dying = true;
	/* Even without memory for a new set it stops at once. */
	put(&sa->stopped, true);
	if (set_publish(p, sa->peer, e) < 0)
		return -1;
	if (grace == 0)
		sa_remove(p, sa);
	path_epoch_collect(&p->epoch);
	return 0;
}

/* End what is past its grace; returns when the next one ends, 0: none. */
uint64_t
path_sa_expire(struct path *p, uint64_t now)
{
	struct path_node *n, *next;
	struct path_sa *sa;
	uint64_t first = 0;
	size_t i;

	for (i = 0; p->n_dying > 0 && i <= p->sa.mask; i++)
		for (n = get(&p->sa.slot[i]); n != NULL; n = next) {
			next = get(&n->next);
			sa = path_entry(n, struct path_sa, node);
			if (sa->gone_at == 0)
				continue;
			if (sa->gone_at <= now)
				sa_remove(p, sa);
			else if (first == 0 || sa->gone_at < first)
				first = sa->gone_at;
		}
	return first;
}

void
path_sa_drop_all(struct path *p, struct peer *peer)
{
	while (peer->pairs != NULL)
		sa_remove(p, peer->pairs);
}

/* The first choice of those for the same senders. */
static bool
sends(const struct sa_set *set, const struct path_sa *sa)
{
	size_t i;

	for (i = 0; set != NULL && i < set->n; i++)
		if (set->sa[i]->queue == sa->queue)
			return set->sa[i] == sa;
	return false;
}

int
path_sa_stat(const struct path *p, uint32_t spi, struct path_sa_stat *s)
{
	const struct path_sa *sa = path_sa_find(p, spi);
	const struct sa_set *set;

	if (sa == NULL)
		return -1;
	memset(s, 0, sizeof(*s));
	set = get(&sa->peer->out);
	s->added = sa->added;
	s->last_in = counted(&sa->last_in);
	s->sequence_in = counted(&sa->sequence_in);
	s->sequence_out = counted(&sa->sequence_out);
	s->rx_packets = counted(&sa->rx_packets);
	s->rx_bytes = counted(&sa->rx_bytes);
	s->tx_packets = counted(&sa->tx_packets);
	s->tx_bytes = counted(&sa->tx_bytes);
	s->replayed = counted(&sa->replayed);
	s->forged = counted(&sa->forged);
	s->standby = sa->standby;
	s->active = sends(set, sa);
	s->dying = sa->dying;
	return 0;
}

bool
selectors_match(const struct selector *ts, size_t n, const struct addr *a,
    uint8_t proto, uint16_t port)
{
	size_t i;

	if (n == 0)
		return true;
	for (i = 0; i < n; i++) {
		if (a->len != ts[i].first.len || a->len != ts[i].last.len ||
		    memcmp(a->b, ts[i].first.b, a->len) < 0 ||
		    memcmp(a->b, ts[i].last.b, a->len) > 0)
			continue;
		if (ts[i].protocol != 0 && ts[i].protocol != proto)
			continue;
		if ((ts[i].port_first == 0 && ts[i].port_last == 0) ||
		    (port >= ts[i].port_first && port <= ts[i].port_last))
			return true;
	}
	return false;
}
