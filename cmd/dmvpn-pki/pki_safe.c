#include "pki_safe.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* 64 identities of 256 PSKs fit. */
#define HEAP		(4u << 20)
#define HEAP_LEAST	64
#define STACK		(96u << 10)

static void *
get(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return len == 0 ? NULL : malloc(len);
}

static void
put(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p != NULL)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

/* realloc would leave what it moves behind. */
static void *
change(void *old, size_t len, const char *file, int line)
{
	size_t had = old == NULL ? 0 : malloc_usable_size(old);
	void *new;

	if (len == 0) {
		put(old, file, line);
		return NULL;
	}
	if (len <= had)
		return old;
	if ((new = malloc(len)) == NULL)
		return NULL;
	if (had > 0)
		memcpy(new, old, had);
	put(old, file, line);
	return new;
}

bool
pki_safe_begin(void)
{
	bool wipes = CRYPTO_set_mem_functions(get, change, put) == 1;

	return CRYPTO_secure_malloc_init(HEAP, HEAP_LEAST) != 0 && wipes;
}

struct secret *
pki_safe_copy(const void *from, size_t len)
{
	struct secret *s;

	if (len > SIZE_MAX - sizeof(*s))
		return NULL;
	s = OPENSSL_secure_malloc(sizeof(*s) + len);
	if (s == NULL)
		return NULL;
	s->len = len;
	if (len > 0)
		memcpy(s->b, from, len);
	return s;
}

void
pki_safe_free(struct secret *s)
{
	if (s != NULL)
		OPENSSL_secure_clear_free(s, sizeof(*s) + s->len);
}

__attribute__((noinline)) void
pki_safe_stack(void)
{
	uint8_t below[STACK];

	secret_wipe(below, sizeof(below));
}
