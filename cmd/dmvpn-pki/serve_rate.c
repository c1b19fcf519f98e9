#include "serve_rate.h"

#include <stdlib.h>

#define ONE	1000u
#define BURST	4u

static struct rate_row *
row_new(struct rate *r, const struct addr *from, uint64_t now)
{
	struct rate_row *row = calloc(1, sizeof(*row)), *old = r->rows;

	if (row == NULL)
		return NULL;
	if (HASH_COUNT(r->rows) >= RATE_ADDRESSES) {
		HASH_DEL(r->rows, old);
		free(old);
	}
	row->from = *from;
	row->credit = r->a_second * BURST * ONE;
	row->at = now;
	HASH_ADD(hh, r->rows, from, sizeof(row->from), row);
	return row;
}

bool
rate_take(struct rate *r, const struct addr *from, uint64_t now)
{
	struct prefix p = prefix_mask(from, from->len == 16 ? 64 : 32);
	uint64_t most = r->a_second * BURST * ONE;
	struct rate_row *row;

	if (r->a_second == 0)
		return true;
	HASH_FIND(hh, r->rows, &p.addr, sizeof(p.addr), row);
	if (row == NULL && (row = row_new(r, &p.addr, now)) == NULL)
		return false;
	row->credit += (now - row->at) * r->a_second;
	row->at = now;
	if (row->credit > most)
		row->credit = most;
	if (row->credit < ONE)
		return false;
	row->credit -= ONE;
	return true;
}

void
rate_fini(struct rate *r)
{
	struct rate_row *row, *more;

	HASH_ITER(hh, r->rows, row, more) {
		HASH_DEL(r->rows, row);
		free(row);
	}
}
