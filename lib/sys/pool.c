#include "sys/pool.h"

#include <string.h>

#include "base/secret.h"
#include "sys/priv.h"

int
pool_take(struct pool *p, void *to, size_t len, struct err *e)
{
	uint8_t *from;

	if (len > sizeof(p->octets))
		return random_bytes(to, len, e);
	if (len > p->left) {
		if (random_bytes(p->octets, sizeof(p->octets), e) < 0)
			return -1;
		p->left = sizeof(p->octets);
	}
	from = &p->octets[sizeof(p->octets) - p->left];
	memcpy(to, from, len);
	secret_wipe(from, len);
	p->left -= len;
	return 0;
}
