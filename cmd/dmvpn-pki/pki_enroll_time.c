/* When to renew; the interface is in pki_enroll.h. */
#include "pki_enroll.h"

#define BACKOFF_MIN	60
#define BACKOFF_MAX	86400
#define SET_BACK	60	/* seconds; less is a clock that is tuned */

/* A part of n as random says. */
static int64_t
spread(int64_t n, uint32_t random)
{
	/* Both are far below 2^31 of their units here. */
	return n / 65536 * (random >> 16) + (n % 65536) * (random >> 16) /
	    65536;
}

int64_t
enroll_renew_at(int64_t from, int64_t to, uint32_t random)
{
	int64_t life = to - from;

	return from + life / 3 * 2 - spread(life / 10, random);
}

int64_t
enroll_next(int64_t next, int64_t renew, int64_t planned, int64_t now)
{
	return now < planned - SET_BACK ? renew : next;
}

bool
enroll_alarm(int64_t from, int64_t to, int64_t now)
{
	return to - now <= (to - from) / 3;
}

uint64_t
enroll_backoff(unsigned n, int64_t left, uint32_t random)
{
	int64_t wait = BACKOFF_MIN;

	while (n-- > 0 && wait < BACKOFF_MAX)
		wait *= 2;
	if (wait > BACKOFF_MAX)
		wait = BACKOFF_MAX;
	if (wait > left / 2)
		wait = left / 2;
	if (wait < BACKOFF_MIN)
		wait = BACKOFF_MIN;
	return (uint64_t)(wait - spread(wait / 4, random));
}
