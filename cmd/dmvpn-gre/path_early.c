#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "path_int.h"

/*
 * Packets that overtake the answer which makes their SA: who answers may send
 * at once, and dmvpn-ike still looks at certificates.  They wait here for
 * path_sa_add, if dmvpn-ike said before that their SPI is to come.  Nobody
 * else can know the SPI: it went out encrypted.
 */
#define EARLY_LIFE	10000	/* ms */

struct early_spi {
	struct path_retire	retire;
	struct path_node	node;
	uint64_t		until;		/* control's own */
};

static struct early_spi *
find(const struct path *p, uint32_t spi)
{
	struct path_node *n = path_hash_first(&p->early, spi);

	return n == NULL ? NULL : path_entry(n, struct early_spi, node);
}

int
path_spi_expect(struct path *p, uint32_t spi, struct err *e)
{
	struct early_spi *s = find(p, spi);

	if (path_sa_find(p, spi) != NULL)
		return err_set(e, EEXIST, "inbound SPI %08x is in use", spi);
	if (s == NULL) {
		if ((s = calloc(1, sizeof(*s))) == NULL)
			return err_set(e, ENOMEM, "out of memory");
		s->node.key = spi;
		path_hash_add(&p->early, &s->node);
		guard_changed(p);
	}
	s->until = p->now() + EARLY_LIFE;
	return 0;
}

static void
spi_free(struct path_retire *r)
{
	free(path_entry(r, struct early_spi, retire));
}

/* Receivers look again at what they keep: it is an SA's now, or nobody's. */
static void
forget(struct path *p, struct early_spi *s)
{
	unsigned i;

	path_hash_remove(&p->early, &s->node);
	p->guard.stale = true;
	path_epoch_retire(&p->epoch, &s->retire, spi_free);
	for (i = 0; i < p->n_in; i++) {
		put(&p->thread[i].early_due, true);
		path_thread_wake(&p->thread[i]);
	}
}

bool
early_come(struct path *p, uint32_t spi)
{
	struct early_spi *s = find(p, spi);

	if (s != NULL)
		forget(p, s);
	return s != NULL;
}

void
early_expire(struct path *p, uint64_t now)
{
	struct path_node *n, *next;
	size_t i;

	for (i = 0; p->early.n > 0 && i <= p->early.mask; i++)
		for (n = get(&p->early.slot[i]); n != NULL; n = next) {
			struct early_spi *s = path_entry(n, struct early_spi,
			    node);

			next = get(&n->next);
			if (s->until <= now)
				forget(p, s);
		}
}

void
early_free_all(struct path *p)
{
	if (p->early.slot != NULL && p->thread != NULL)
		early_expire(p, UINT64_MAX);
}

bool
early_keep(struct path_thread *t, const struct in_meta *m, uint32_t spi,
    const uint8_t *p, size_t n)
{
	if (path_hash_first(&t->p->early, spi) == NULL ||
	    !path_ring_put(&t->early, m, sizeof(*m), p, n))
		return false;
	t->n_early++;
	/* The SA may have come since we looked. */
	if (path_sa_find(t->p, spi) != NULL)
		put(&t->early_due, true);
	return true;
}

/* What still waits is kept again, by in_esp. */
void
early_turn(struct path_thread *t)
{
	unsigned k = t->n_early;
	struct in_meta m;
	size_t n;

	if (k == 0 || !atomic_exchange(&t->early_due, false))
		return;
	t->n_early = 0;
	while (k-- > 0 && (n = path_ring_get(&t->early, t->frame,
	    PATH_BUF)) > 0) {
		memcpy(&m, t->frame, sizeof(m));
		in_esp(t, &m, t->frame + sizeof(m), n - sizeof(m));
		gro_flush(t);		/* the frame is used again */
	}
}
