#ifndef ALLOC_WRAP_H
#define ALLOC_WRAP_H

/* For tests that are linked with --wrap=malloc and the like: an allocation
 * that is chosen by its number fails. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long fail_at = -1;	/* -1: never; 0: the next one */
static bool failed;		/* it did */
static bool inside = true;	/* others than this test's subject do not */

static bool
fails(void)
{
	if (!inside || fail_at < 0 || fail_at-- > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

#endif
