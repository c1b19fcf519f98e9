#include "wire/replay.h"

#include <string.h>

static uint32_t
clamped(uint32_t window)
{
	if (window < REPLAY_MIN)
		return REPLAY_MIN;
	return window > REPLAY_MAX ? REPLAY_MAX : window;
}

/* A power of two, one word more than the window needs, so that clearing
 * ahead never touches what is inside it. */
static uint32_t
words(uint32_t window)
{
	uint32_t need = (clamped(window) + 63) / 64 + 1, n = 1;

	while (n < need)
		n *= 2;
	return n;
}

size_t
replay_size(uint32_t window)
{
	return sizeof(struct replay) + words(window) * sizeof(uint64_t);
}

void
replay_init(struct replay *r, uint32_t window)
{
	memset(r, 0, replay_size(window));
	r->window = clamped(window);
	r->mask = words(window) - 1;
}

uint64_t
replay_number(const struct replay *r, uint32_t low, bool esn)
{
	uint32_t tl = (uint32_t)r->top, th = (uint32_t)(r->top >> 32);
	uint32_t bottom = tl - (r->window - 1);	/* modulo 2^32 */

	if (!esn)
		return low;
	if (tl >= r->window - 1) {
		if (low < bottom)
			th++;
	} else if (low >= bottom) {
		if (th == 0)
			return 0;
		th--;
	}
	return (uint64_t)th << 32 | low;
}

bool
replay_check(const struct replay *r, uint64_t seq)
{
	if (seq == 0)
		return false;
	if (seq > r->top)
		return true;
	if (r->top - seq >= r->window)
		return false;
	return !(r->bits[(seq >> 6) & r->mask] >> (seq & 63) & 1);
}

bool
replay_accept(struct replay *r, uint64_t seq)
{
	uint64_t word, last, *w;

	if (!replay_check(r, seq))
		return false;
	if (seq > r->top) {
		word = (r->top >> 6) + 1;
		last = seq >> 6;
		if (last - (r->top >> 6) > r->mask)
			word = last - r->mask;
		for (; word <= last; word++)
			r->bits[word & r->mask] = 0;
		r->top = seq;
	}
	w = &r->bits[(seq >> 6) & r->mask];
	*w |= 1ULL << (seq & 63);
	return true;
}
