#include "crypto/quick.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#define KINDS_MAX	16	/* rows of one table */

/* A table of the provider's, less the rows that are not wanted. */
struct quick_table {
	int		op;
	const char	*wants;		/* in the row's properties */
	OSSL_ALGORITHM	 rows[KINDS_MAX + 1];
};

static struct quick_table tables[] = {
	{ .op = OSSL_OP_DECODER,
	  .wants = "input=der,structure=SubjectPublicKeyInfo" },
	{ .op = OSSL_OP_KEYMGMT, .wants = "" },
};

static OSSL_PROVIDER *provider;
static OSSL_LIB_CTX *ctx, *keyless;

/* The first of its names tells what kind of key a row is for. */
static bool
is_wanted(const OSSL_ALGORITHM *a)
{
	static const char *const kinds[] = { "RSA", "RSA-PSS", "EC",
	    "ED25519", "ED448" };
	size_t len = strcspn(a->algorithm_names, ":"), i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i]) == len &&
		    memcmp(kinds[i], a->algorithm_names, len) == 0)
			return true;
	return false;
}

static void
fill(struct quick_table *t, const OSSL_ALGORITHM *a)
{
	size_t n = 0;

	for (; a != NULL && a->algorithm_names != NULL && n < KINDS_MAX; a++)
		if (is_wanted(a) &&
		    strstr(a->property_definition, t->wants) != NULL)
			t->rows[n++] = *a;
}

static const OSSL_ALGORITHM *
query(void *arg, int op, int *no_cache)
{
	const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(provider, op,
	    no_cache);
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (tables[i].op == op) {
			if (tables[i].rows[0].algorithm_names == NULL)
				fill(&tables[i], a);
			return tables[i].rows;
		}
	return a;
}

static const OSSL_ALGORITHM *
query_keyless(void *arg, int op, int *no_cache)
{
	return op == OSSL_OP_DECODER ? NULL : query(arg, op, no_cache);
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **arg)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
		{ 0, NULL }
	};

	(void)handle;
	(void)in;
	*out = functions;
	*arg = OSSL_PROVIDER_get0_provider_ctx(provider);
	return 1;
}

static int
provider_init_keyless(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **arg)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION,
		  (void (*)(void))query_keyless },
		{ 0, NULL }
	};

	if (provider_init(handle, in, out, arg) != 1)
		return 0;
	*out = functions;
	return 1;
}

static OSSL_LIB_CTX *
ctx_new(const char *name, OSSL_provider_init_fn *init)
{
	OSSL_LIB_CTX *c = OSSL_LIB_CTX_new();

	if (c != NULL && (OSSL_PROVIDER_add_builtin(c, name, init) != 1 ||
	    OSSL_PROVIDER_load(c, name) == NULL)) {
		OSSL_LIB_CTX_free(c);
		c = NULL;
	}
	return c;
}

void
quick_begin(void)
{
	if (ctx != NULL)
		return;
	if (provider == NULL)
		provider = OSSL_PROVIDER_load(NULL, "default");
	if (provider != NULL &&
	    (ctx = ctx_new("quick", provider_init)) != NULL)
		keyless = ctx_new("keyless", provider_init_keyless);
	ERR_clear_error();
}

struct ossl_lib_ctx_st *
quick_ctx(void)
{
	return ctx;
}

struct ossl_lib_ctx_st *
quick_keyless(void)
{
	return keyless;
}
