#include "dpd_service.h"

#include <stdlib.h>

/* Those without weight come before the others of their priority: they have a
 * small chance only so (RFC 2782). */
static int
by_priority(const void *a, const void *b)
{
	const struct dpd_service *x = a;
	const struct dpd_service *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return (x->weight > 0) - (y->weight > 0);
}

/* Of n with one priority: which is the first? */
static size_t
draw(const struct dpd_service *v, size_t n, uint32_t thrown)
{
	uint32_t sum = 0, at;
	size_t i;

	for (i = 0; i < n; i++)
		sum += v[i].weight;
	at = thrown % (sum + 1);
	for (i = 0, sum = v[0].weight; sum < at; sum += v[i].weight)
		i++;
	return i;
}

static size_t
alike(const struct dpd_service *v, size_t n)
{
	size_t i;

	for (i = 1; i < n && v[i].priority == v[0].priority; i++)
		;
	return i;
}

/* The order of those behind it stays. */
static void
bring_forward(struct dpd_service *v, size_t i)
{
	const struct dpd_service first = v[i];

	for (; i > 0; i--)
		v[i] = v[i - 1];
	v[0] = first;
}

void
dpd_service_order(struct dpd_service *v, size_t n,
    uint32_t (*dice)(void *arg), void *arg)
{
	qsort(v, n, sizeof(v[0]), by_priority);
	for (; n > 1; v++, n--)
		bring_forward(v, draw(v, alike(v, n), dice(arg)));
}
