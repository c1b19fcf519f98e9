#include "path_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

/* A record: its length (4 octets, of the two parts), then the parts, then
 * padding to 8.  SKIP stands where a record did not fit before the end. */
#define SKIP	UINT32_MAX

static size_t
padded(size_t n)
{
	return (n + 4 + 7) & ~(size_t)7;
}

int
path_ring_init(struct path_ring *r, size_t cap)
{
	memset(r, 0, sizeof(*r));
	if ((r->buf = calloc(1, cap)) == NULL)
		return -1;
	r->cap = cap;
	return 0;
}

void
path_ring_fini(struct path_ring *r)
{
	if (r->buf != NULL)
		secret_wipe(r->buf, r->cap);
	free(r->buf);
	r->buf = NULL;
}

bool
path_ring_put(struct path_ring *r, const void *a, size_t an, const void *b,
    size_t bn)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	size_t need = padded(an + bn), at = head & (r->cap - 1);
	size_t skip = r->cap - at < need ? r->cap - at : 0;
	uint32_t len = (uint32_t)(an + bn), mark = SKIP;

	if (an + bn > r->cap / 2 || r->cap - (head - tail) < need + skip)
		return false;
	if (skip) {
		memcpy(r->buf + at, &mark, sizeof(mark));
		head += skip;
		at = 0;
	}
	memcpy(r->buf + at, &len, sizeof(len));
	if (an > 0)
		memcpy(r->buf + at + 4, a, an);
	if (bn > 0)
		memcpy(r->buf + at + 4 + an, b, bn);
	atomic_store_explicit(&r->head, head + need, memory_order_release);
	return true;
}

size_t
path_ring_get(struct path_ring *r, void *to, size_t cap)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	size_t head, at;
	uint32_t len;

	for (;;) {
		head = atomic_load_explicit(&r->head, memory_order_acquire);
		if (head == tail)
			return 0;
		at = tail & (r->cap - 1);
		memcpy(&len, r->buf + at, sizeof(len));
		if (len == SKIP) {
			tail += r->cap - at;
		} else {
			if (len <= cap)
				memcpy(to, r->buf + at + 4, len);
			tail += padded(len);
		}
		atomic_store_explicit(&r->tail, tail, memory_order_release);
		if (len != SKIP && len <= cap)
			return len;
	}
}

bool
path_ring_empty(const struct path_ring *r)
{
	return atomic_load_explicit(&r->head, memory_order_acquire) ==
	    atomic_load_explicit(&r->tail, memory_order_relaxed);
}
