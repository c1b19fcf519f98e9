/* uthash's own way out of memory: the row is not added. */
#define HASH_NONFATAL_OOM 1
#include "pki_seen.h"

#include <stdlib.h>
#include <string.h>

int
pki_seen_add(struct pki_seen *s, const uint8_t hash[32])
{
	struct pki_seen_row *row;

	if (s->rows == NULL &&
	    (s->rows = calloc(PKI_SEEN_MAX, sizeof(*s->rows))) == NULL)
		return -1;
	HASH_FIND(hh, s->table, hash, sizeof(row->hash), row);
	if (row != NULL)
		return 1;
	row = &s->rows[s->next];
	if (s->full && row->hh.tbl != NULL)	/* NULL: memory was short */
		HASH_DEL(s->table, row);
	memcpy(row->hash, hash, sizeof(row->hash));
	HASH_ADD(hh, s->table, hash, sizeof(row->hash), row);
	if (row->hh.tbl == NULL)
		return -1;
	s->next = (s->next + 1) % PKI_SEEN_MAX;
	s->full = s->full || s->next == 0;
	return 0;
}

void
pki_seen_fini(struct pki_seen *s)
{
	HASH_CLEAR(hh, s->table);
	free(s->rows);
	memset(s, 0, sizeof(*s));
}
