#include <string.h>

#include "path_int.h"

/*
 * Which peer a flow came in from: small, lossy, of (interface, source,
 * destination).  Written on the way in, read on the way out; a slot is one
 * word: 32 bits of the hash, 16 of the time in seconds, 16 the peer.
 */
#define CACHE_LIFE	120	/* seconds */
#define HAIRPIN_RATE	500	/* events a second, of a thread */

uint64_t
path_mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

uint64_t
path_addr_hash(uint64_t salt, const void *octets, size_t n)
{
	const uint8_t *b = octets;
	uint64_t h = salt ^ n, w;

	for (; n >= 8; n -= 8, b += 8) {
		memcpy(&w, b, 8);
		h = path_mix(h, w);
	}
	w = 0;
	if (n > 0)
		memcpy(&w, b, n);
	return path_mix(h, w);
}

static uint64_t
flow_hash(const struct path_thread *t, unsigned interface,
    const uint8_t *ip, const struct ip_view *v)
{
	return path_addr_hash(t->p->salt + interface, ip + v->src,
	    2U * v->alen);
}

static _Atomic(uint64_t) *
slot_of(const struct path_thread *t, uint64_t h)
{
	return &t->p->cache[h & (CACHE_SLOTS - 1)];
}

uint16_t
cache_get(struct path_thread *t, unsigned interface, const uint8_t *ip,
    const struct ip_view *v)
{
	uint64_t h = flow_hash(t, interface, ip, v);
	uint64_t e = counted(slot_of(t, h));
	uint16_t age = (uint16_t)(t->now / 1000 - (e >> 16));

	if (e >> 32 != h >> 32 || age > CACHE_LIFE)
		return 0;
	return (uint16_t)e;
}

void
cache_put(struct path_thread *t, unsigned interface, const uint8_t *ip,
    const struct ip_view *v, uint16_t peer)
{
	uint64_t h = flow_hash(t, interface, ip, v);
	uint64_t e = (h >> 32) << 32 | (t->now / 1000 & 0xffff) << 16 | peer;
	_Atomic(uint64_t) *slot = slot_of(t, h);

	/* The line stays shared while nothing changes. */
	if (counted(slot) != e)
		atomic_store_explicit(slot, e, memory_order_relaxed);
}

/* One second of quiet for what was said, until another takes the slot. */
bool
say_now(struct path_thread *t, uint64_t what, uint64_t ms)
{
	uint64_t h = path_mix(t->p->salt, what);
	uint64_t *slot = &t->said[h & (SAID_SLOTS - 1)];
	uint64_t tick = t->now & 0xffffffff;

	/* 32 bits of the hash, 32 of the time. */
	if (*slot >> 32 == h >> 32 &&
	    (uint32_t)(tick - (*slot & 0xffffffff)) < ms)
		return false;
	*slot = (h >> 32) << 32 | tick;
	return true;
}

bool
bucket_take(struct path_bucket *b, uint64_t now, uint64_t rate,
    uint64_t burst)
{
	uint64_t most = burst * TOKENS_PER_PACKET;

	if (b->at == 0)
		b->tokens = most;
	else if (now > b->at)
		b->tokens += (now - b->at) * rate;	/* ms and 1/1000 */
	b->at = now;
	if (b->tokens > most)
		b->tokens = most;
	if (b->tokens < TOKENS_PER_PACKET)
		return false;
	b->tokens -= TOKENS_PER_PACKET;
	return true;
}

/* The word is when the bucket will be full again, in microseconds. */
bool
bucket_take_shared(_Atomic(uint64_t) *b, uint64_t now, uint64_t rate,
    uint64_t burst)
{
	uint64_t us = now * 1000, one = 1000000 / rate, from;
	uint64_t full = counted(b);

	do {
		from = full > us ? full : us;
		if (from - us > (burst - 1) * one)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(b, &full, from + one,
	    memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* A packet that came from one peer goes to another: tell, once a second for
 * a pair of addresses. */
void
cache_hairpin(struct path_thread *t, const struct out_frame *f, uint16_t to)
{
	struct event_head h = { .type = PATH_HAIRPIN, .to = to };
	unsigned id = f->iface->id;

	h.peer = cache_get(t, id, f->ip, &f->v);
	if (h.peer == 0 || h.peer == to)
		return;
	if (!say_now(t, flow_hash(t, id, f->ip, &f->v), 1000) ||
	    !bucket_take(&t->hairpin, t->now, HAIRPIN_RATE, HAIRPIN_RATE))
		return;
	h.interface = (uint8_t)id;
	say_bulk(t, &h, f->ip, f->v.len < 128 ? f->v.len : 128);
}
