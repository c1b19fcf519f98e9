#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "path_int.h"

/*
 * Events go through three rings a thread, so that no flood makes another
 * kind wait or drop: `first` for IKE of known SPIs, SA and peer events,
 * `bulk` for what members of the network and this host cause, `strangers`
 * for what anybody can.
 */
static bool
say_to(struct path_thread *t, struct path_ring *ring,
    const struct event_head *h, const void *data, size_t n)
{
	if (!path_ring_put(ring, h, sizeof(*h), data, n)) {
		drop(t, DROP_RING);
		return false;
	}
	t->woke = true;
	return true;
}

bool
say(struct path_thread *t, const struct event_head *h, const void *data,
    size_t n)
{
	return say_to(t, &t->first, h, data, n);
}

bool
say_bulk(struct path_thread *t, const struct event_head *h,
    const void *data, size_t n)
{
	return say_to(t, &t->bulk, h, data, n);
}

bool
say_stranger(struct path_thread *t, const struct event_head *h,
    const void *data, size_t n)
{
	return say_to(t, &t->strangers, h, data, n);
}

/* Make the descriptor readable, unless it is. */
static void
signal_events(struct path *p)
{
	uint64_t one = 1;

	if (atomic_exchange(&p->signalled, true))
		return;
	while (write(p->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

/* Once a turn. */
void
say_wake(struct path_thread *t)
{
	if (t->woke)
		signal_events(t->p);
	t->woke = false;
}

/* What control itself has to tell its caller. */
void
say_own(struct path *p, const struct event_head *h)
{
	if (path_ring_put(&p->own, h, sizeof(*h), NULL, 0))
		signal_events(p);
}

int
path_event_fd(const struct path *p)
{
	return p->event_fd;
}

static size_t
next_record(struct path *p)
{
	unsigned i;
	size_t n = path_ring_get(&p->own, p->event_buf, PATH_BUF);

	if (n > 0)
		return n;
	for (i = 0; i < p->n_threads; i++)
		if ((n = path_ring_get(&p->thread[i].first, p->event_buf,
		    PATH_BUF)) > 0)
			return n;
	for (i = 0; i < p->n_threads; i++)
		if ((n = path_ring_get(&p->thread[i].bulk, p->event_buf,
		    PATH_BUF)) > 0)
			return n;
	for (i = 0; i < p->n_threads; i++)
		if ((n = path_ring_get(&p->thread[i].strangers,
		    p->event_buf, PATH_BUF)) > 0)
			return n;
	return 0;
}

/* What an event changes in the tables changes here, in control's thread. */
static void
apply(struct path *p, const struct path_event *ev)
{
	struct path_peer c;
	struct peer *peer;

	if (ev->type == PATH_SA_FIRST)
		path_sa_seen(p, ev->spi);
	if (ev->type != PATH_MOVED ||
	    (peer = path_peer_find(p, ev->peer)) == NULL)
		return;
	c = get(&peer->route)->c;
	c.remote = ev->remote;
	if (c.local.addr.len != 0 || ev->local.addr.len == 0)
		c.local = ev->local;
	(void)path_peer_route(p, peer, &c, NULL);
}

static void
event_of(struct path_event *ev, const struct event_head *h,
    const uint8_t *data, size_t n)
{
	memset(ev, 0, sizeof(*ev));
	ev->type = (enum path_event_type)h->type;
	ev->interface = h->interface;
	ev->peer = h->peer;
	ev->to = h->to;
	ev->mtu = h->mtu;
	ev->spi = h->spi;
	ev->hard = h->hard;
	ev->local = h->local;
	ev->remote = h->remote;
	ev->address = h->address;
	ev->data = rbuf_of(data, n);
}

static int
take(struct path *p, struct path_event *ev)
{
	struct event_head h;
	uint64_t gone;
	size_t n;

	n = next_record(p);
	if (n == 0) {
		/* Nothing seen: be woken again, then look once more for what
		 * was put before the threads knew that. */
		while (read(p->event_fd, &gone, sizeof(gone)) > 0)
			continue;
		atomic_store(&p->signalled, false);
		if ((n = next_record(p)) == 0)
			return 0;
		signal_events(p);
	}
	memcpy(&h, p->event_buf, sizeof(h));
	event_of(ev, &h, p->event_buf + sizeof(h), n - sizeof(h));
	apply(p, ev);
	return 1;
}

int
path_event(struct path *p, struct path_event *ev)
{
	while (take(p, ev))
		if (!probe_event(p, ev))
			return 1;
	return 0;
}
