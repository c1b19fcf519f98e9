#include <stdlib.h>

#include "base/secret.h"
#include "crypto/sk.h"

struct sk_kept {
	struct sk_suite	suite;
	uint8_t		prf_len, enc_len, int_len;
	uint8_t		b[];	/* SK_d, SK_ei, SK_er, SK_ai, SK_ar */
};

static size_t
octets(const struct sk_kept *k)
{
	return k->prf_len + 2u * k->enc_len + 2u * k->int_len;
}

struct sk_kept *
sk_keep(const struct sk_keys *k)
{
	struct sk_kept *kept;
	struct wbuf w;
	size_t len = k->prf_len + 2u * k->i.enc_len + 2u * k->i.int_len;

	if ((kept = malloc(sizeof(*kept) + len)) == NULL)
		return NULL;
	kept->suite = k->i.suite;
	kept->prf_len = (uint8_t)k->prf_len;
	kept->enc_len = k->i.enc_len;
	kept->int_len = k->i.int_len;
	w = wbuf_of(kept->b, len);
	wbuf_put(&w, k->d, k->prf_len);
	wbuf_put(&w, k->i.enc, k->i.enc_len);
	wbuf_put(&w, k->r.enc, k->i.enc_len);
	wbuf_put(&w, k->i.integ, k->i.int_len);
	wbuf_put(&w, k->r.integ, k->i.int_len);
	return kept;
}

void
sk_recall(const struct sk_kept *kept, struct sk_keys *k)
{
	struct rbuf in = rbuf_of(kept->b, octets(kept));

	*k = (struct sk_keys){ .prf_len = kept->prf_len };
	k->i.suite = k->r.suite = kept->suite;
	k->i.enc_len = k->r.enc_len = kept->enc_len;
	k->i.int_len = k->r.int_len = kept->int_len;
	rbuf_copy(&in, k->d, kept->prf_len);
	rbuf_copy(&in, k->i.enc, kept->enc_len);
	rbuf_copy(&in, k->r.enc, kept->enc_len);
	rbuf_copy(&in, k->i.integ, kept->int_len);
	rbuf_copy(&in, k->r.integ, kept->int_len);
}

size_t
sk_kept_prf_len(const struct sk_kept *kept)
{
	return kept == NULL ? 0 : kept->prf_len;
}

void
sk_kept_free(struct sk_kept *kept)
{
	if (kept == NULL)
		return;
	secret_wipe(kept->b, octets(kept));
	free(kept);
}
