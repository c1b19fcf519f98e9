/* The public side of the agent's identities. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd_fetch.h"

/* What did not fit into one answer, certificate by certificate. */
static int
take_rest(struct conn *c, struct fetch_id *id, bool anchor, struct err *e)
{
	struct cert_set *to = anchor ? &id->anchors : &id->chain;
	struct pki_certificate ask = { .anchor = anchor };
	struct pki_certificate_reply r;

	memcpy(ask.identity, id->name, sizeof(ask.identity));
	for (;;) {
		ask.index = (uint8_t)to->n;
		if (conn_call(c, &pki_certificate_type, &ask,
		    &pki_certificate_reply_type, &r, NULL, e) < 0)
			return -1;
		if (rbuf_left(&r.certificate) == 0)
			return 0;
		if (cert_set_add_der(to, r.certificate, e) < 0)
			return -1;
	}
}

static int
take_one(struct conn *c, const char *name, struct fetch_id *id,
    struct err *e)
{
	struct pki_identity ask = { .identity = "" };
	struct pki_identity_reply r;
	size_t i;

	memset(id, 0, sizeof(*id));
	snprintf(id->name, sizeof(id->name), "%s", name);
	memcpy(ask.identity, id->name, sizeof(ask.identity));
	if (conn_call(c, &pki_identity_type, &ask, &pki_identity_reply_type,
	    &r, NULL, e) < 0)
		return -1;
	for (i = 0; i < r.n_chain; i++)
		if (cert_set_add_der(&id->chain, r.chain[i], e) < 0)
			return -1;
	for (i = 0; i < r.n_anchors; i++)
		if (cert_set_add_der(&id->anchors, r.anchors[i], e) < 0)
			return -1;
	id->stapled = r.staple;
	return !r.more ? 0 : take_rest(c, id, false, e) < 0 ? -1 :
	    take_rest(c, id, true, e);
}

/* All CA certificates, each once, as many as there is room for. */
static void
gather(struct fetch_ids *ids, const struct cert_set *from, size_t first)
{
	size_t i, k;

	for (i = first; i < from->n; i++) {
		for (k = 0; k < ids->trust.n; k++)
			if (cert_equal(ids->trust.v[k], from->v[i]))
				break;
		if (k == ids->trust.n)
			(void)cert_set_add(&ids->trust, from->v[i], NULL);
	}
}

int
cmd_fetch_ids(struct conn *c, const char *only, struct fetch_ids *out,
    struct err *e)
{
	struct pki_identities list = { .n_items = 0 };
	struct fetch_id *id;
	size_t i;

	memset(out, 0, sizeof(*out));
	if (conn_call(c, &pki_identities_type, &list, &pki_identities_type,
	    &list, NULL, e) < 0)
		return -1;
	for (i = 0; i < list.n_items; i++) {
		if (only != NULL && strcmp(only, list.items[i]) != 0)
			continue;
		id = &out->v[out->n];
		if (take_one(c, list.items[i], id, e) < 0) {
			out->n++;	/* so that it is freed */
			cmd_fetch_ids_fini(out);
			return -1;
		}
		if (id->chain.n == 0)
			continue;	/* a PSK */
		out->n++;
		gather(out, &id->chain, 1);
		gather(out, &id->anchors, 0);
	}
	return 0;
}

void
cmd_fetch_ids_fini(struct fetch_ids *ids)
{
	while (ids->n > 0) {
		cert_set_fini(&ids->v[--ids->n].chain);
		cert_set_fini(&ids->v[ids->n].anchors);
	}
	cert_set_fini(&ids->trust);
}
