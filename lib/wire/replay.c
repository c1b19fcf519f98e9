#include "wire/replay.h"

#include <string.h>

static uint32_t
clamped(uint32_t window)
{
	if (window < REPLAY_MIN)
		return REPLAY_MIN;
	return window > REPLAY_MAX ? REPLAY_MAX : window;
}

/* One word more than the window needs, so that clearing ahead never touches
 * what is inside it. */
static uint32_t
words(uint32_t window)
{
	return (clamped(window) + 63) / 64 + 1;
}

/* The word of a number that is inside the window. */
static inline uint32_t
word_of(const struct replay *r, uint64_t seq)
{
	uint32_t back = (uint32_t)((r->top >> 6) - (seq >> 6));

	return r->at >= back ? r->at - back : r->at + r->words - back;
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
	r->words = (uint16_t)words(window);
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
	return !(r->bits[word_of(r, seq)] >> (seq & 63) & 1);
}

/* The window goes on to seq: the words on the way are empty. */
static void
advance(struct replay *r, uint64_t seq)
{
	uint64_t n = (seq >> 6) - (r->top >> 6);

	if (n > r->words)
		n = r->words;
	for (; n > 0; n--) {
		r->at = r->at + 1 == r->words ? 0 : r->at + 1;
		r->bits[r->at] = 0;
	}
	r->top = seq;
}

bool
replay_accept(struct replay *r, uint64_t seq)
{
	if (seq > r->top)
		advance(r, seq);
	else if (!replay_check(r, seq))
		return false;
	r->bits[word_of(r, seq)] |= 1ULL << (seq & 63);
	return true;
}
