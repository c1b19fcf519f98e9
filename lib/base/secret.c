#define _DEFAULT_SOURCE		/* explicit_bzero */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

struct secret *
secret_new(size_t len)
{
	struct secret *s;

	if (len > SIZE_MAX - sizeof(*s))
		return NULL;
	s = calloc(1, sizeof(*s) + len);
	if (s != NULL)
		s->len = len;
	return s;
}

struct secret *
secret_copy(const void *from, size_t len)
{
	struct secret *s = secret_new(len);

	if (s != NULL && len > 0)
		memcpy(s->b, from, len);
	return s;
}

void
secret_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}

void
secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	secret_wipe(s->b, s->len);
	free(s);
}

int
secret_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;
	size_t i;

	for (i = 0; i < len; i++)
		diff |= (uint8_t)(x[i] ^ y[i]);
	return diff == 0;
}
