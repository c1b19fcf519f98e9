#include "pki_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "msg/msg.h"
#include "pki_name.h"
#include "pki_ring_crl.h"
#include "pki_ring_staple.h"
#include "pki_safe.h"

#define STAGE "load"

void
pki_ring_init(struct pki_ring *r, uint64_t rate)
{
	memset(r, 0, sizeof(*r));
	r->rate = rate;
}

static void
entry_free(struct pki_entry *n)
{
	size_t i;

	if (n == NULL)
		return;
	sign_key_free(n->key);
	cert_set_fini(&n->chain);
	cert_set_fini(&n->anchors);
	for (i = 0; i < n->n_psks; i++)
		pki_safe_free(n->psks[i].psk);
	pki_seen_fini(&n->seen);
	pki_ring_crl_drop(n);
	secret_free(n->staple);
	free(n);
}

void
pki_ring_fini(struct pki_ring *r)
{
	struct pki_entry *n;

	while ((n = r->entries) != NULL) {
		r->entries = n->next;
		entry_free(n);
	}
	r->n = 0;
	pki_ring_crl_fini(r);
}

static struct pki_entry **
slot_of(struct pki_ring *r, const char *name)
{
	struct pki_entry **at = &r->entries;

	while (*at != NULL && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static int
refuse(struct reason *why, const char *name, const char *code,
    const struct err *e)
{
	reason_set(why, STAGE, code, "identity %s: %.300s", name, e->msg);
	return -1;
}

/* Put n under its name; what was there goes, its nonces stay used, and what is
 * revoked stays revoked. */
static int
put(struct pki_ring *r, struct pki_entry *n, struct reason *why)
{
	struct pki_entry **at = slot_of(r, n->name), *old = *at;

	if (old == NULL && r->n == PKI_RING_MAX) {
		reason_set(why, STAGE, "full", "%d identities are loaded "
		    "already", PKI_RING_MAX);
		entry_free(n);
		return -1;
	}
	if (old != NULL) {
		pki_seen_fini(&n->seen);
		n->seen = old->seen;
		memset(&old->seen, 0, sizeof(old->seen));
		pki_ring_crl_inherit(n, old);
		pki_ring_staple_inherit(n, old);
		n->next = old->next;
	} else
		r->n++;
	*at = n;
	entry_free(old);
	if (n->method == PKI_METHOD_CERTIFICATE)
		pki_ring_crl_adopt(r, n);
	return 0;
}

/* ------------------------------------------------------------ certificates */

static int
take_certs(struct pki_entry *n, const struct pki_load *m, struct err *e)
{
	size_t i;

	for (i = 0; i < m->n_chain; i++) {
		struct cert *c = cert_parse(m->chain[i], e);
		struct cert_set *to = &n->chain;
		int rc;

		if (c == NULL)
			return err_in(e, "certificate %zu of the chain", i);
		/* A root in the chain is not sent: it is an anchor. */
		if (i > 0 && cert_self_signed(c))
			to = &n->anchors;
		rc = cert_set_add(to, c, e);
		cert_free(c);
		if (rc < 0)
			return -1;
	}
	for (i = 0; i < m->n_anchors; i++)
		if (cert_set_add_der(&n->anchors, m->anchors[i], e) < 0)
			return err_in(e, "anchor %zu", i);
	if (n->chain.n == 0)
		return err_set(e, EINVAL, "a key without its certificate");
	if (n->anchors.n == 0)
		return err_set(e, EINVAL, "no CA certificate to verify peers "
		    "with");
	return 0;
}

static int
take_id(struct pki_entry *n, const char *id, struct err *e)
{
	char text[IDENT_TEXT_MAX];

	if (id[0] == '\0')
		return cert_ident(n->chain.v[0], &n->id, e);
	if (ident_parse(id, &n->id, e) < 0)
		return -1;
	if (!cert_has_ident(n->chain.v[0], &n->id))
		return err_set(e, EINVAL, "its certificate does not name %.200s",
		    ident_text(&n->id, text, sizeof(text)));
	return 0;
}

static int
load_key(struct pki_ring *r, const struct pki_load *m, struct reason *why)
{
	struct pki_entry *n = calloc(1, sizeof(*n));
	struct err e;

	err_clear(&e);
	if (n == NULL) {
		err_set(&e, ENOMEM, "out of memory");
		return refuse(why, m->identity, "failed", &e);
	}
	snprintf(n->name, sizeof(n->name), "%s", m->identity);
	n->method = PKI_METHOD_CERTIFICATE;
	n->pss = m->pss;
	if ((n->key = sign_key_parse(m->key, &e)) == NULL ||
	    take_certs(n, m, &e) < 0 || take_id(n, m->id, &e) < 0)
		goto bad;
	if (!sign_key_fits(n->key, n->chain.v[0])) {
		err_set(&e, EINVAL, "the key is not that of the certificate");
		goto bad;
	}
	return put(r, n, why);
bad:
	entry_free(n);
	return refuse(why, m->identity, "invalid", &e);
}

/* -------------------------------------------------------------------- PSKs */

static int
add_psk(struct pki_entry *n, const struct pki_load *m, struct err *e)
{
	struct secret *psk = pki_safe_copy(m->psk.p, rbuf_left(&m->psk));
	size_t i = 0;

	if (psk == NULL)
		return err_set(e, ENOMEM, "out of memory");
	while (i < n->n_psks && strcmp(n->psks[i].peer, m->peer_id) != 0)
		i++;
	if (i == PKI_PSKS_MAX) {
		pki_safe_free(psk);
		return err_set(e, ENOSPC, "%d PSKs are loaded already",
		    PKI_PSKS_MAX);
	}
	if (i == n->n_psks)
		n->n_psks++;
	else
		pki_safe_free(n->psks[i].psk);
	snprintf(n->psks[i].peer, sizeof(n->psks[i].peer), "%s", m->peer_id);
	n->psks[i].psk = psk;
	return 0;
}

static int
load_psk(struct pki_ring *r, const struct pki_load *m, struct reason *why)
{
	struct pki_entry *old = *slot_of(r, m->identity), *n;
	struct ident id;
	struct err e;

	err_clear(&e);
	if (ident_parse(m->id[0] != '\0' ? m->id : m->identity, &id, &e) < 0)
		return refuse(why, m->identity, "invalid", &e);
	if (old != NULL && old->method == PKI_METHOD_PSK) {
		if (add_psk(old, m, &e) < 0)
			return refuse(why, m->identity, "failed", &e);
		old->id = id;
		return 0;
	}
	if ((n = calloc(1, sizeof(*n))) == NULL) {
		err_set(&e, ENOMEM, "out of memory");
		return refuse(why, m->identity, "failed", &e);
	}
	snprintf(n->name, sizeof(n->name), "%s", m->identity);
	n->method = PKI_METHOD_PSK;
	n->id = id;
	if (add_psk(n, m, &e) < 0) {
		entry_free(n);
		return refuse(why, m->identity, "failed", &e);
	}
	return put(r, n, why);
}

int
pki_ring_load(struct pki_ring *r, const struct pki_load *m,
    struct reason *why)
{
	bool key = rbuf_left(&m->key) > 0, psk = rbuf_left(&m->psk) > 0;
	struct err e;

	err_clear(&e);
	if (pki_name_check(m->identity, &e) < 0)
		return refuse(why, "?", "invalid", &e);
	if (key && !psk)
		return load_key(r, m, why);
	if (psk && !key)
		return load_psk(r, m, why);
	if (key)
		err_set(&e, EINVAL, "both a key and a PSK");
	else
		err_set(&e, EINVAL, "the PSK is empty, and there is no key");
	return refuse(why, m->identity, "invalid", &e);
}

int
pki_ring_unload(struct pki_ring *r, const char *name, struct reason *why)
{
	struct pki_entry **at = slot_of(r, name), *n = *at;

	if (n == NULL) {
		reason_set(why, "unload", "not-found", "no identity %s is "
		    "loaded", name);
		return -1;
	}
	*at = n->next;
	r->n--;
	entry_free(n);
	return 0;
}

/* ---------------------------------------------------------- who may use it */

int
pki_ring_allow(struct pki_ring *r, const char *text, struct err *e)
{
	struct pki_allow *a = &r->allow[r->n_allow];
	const char *eq = strchr(text, '=');
	char uid[16];
	uint64_t v;

	if (r->n_allow == PKI_ALLOW_MAX)
		return err_set(e, E2BIG, "more than %d", PKI_ALLOW_MAX);
	if (eq == NULL || (size_t)(eq - text) >= sizeof(uid))
		return err_set(e, EINVAL, "\"%s\" is not UID=IDENTITY", text);
	snprintf(uid, sizeof(uid), "%.*s", (int)(eq - text), text);
	if (num_parse(uid, 0, UINT32_MAX - 1, &v, e) < 0 ||
	    pki_name_check(eq + 1, e) < 0)
		return -1;
	a->uid = (uid_t)v;
	snprintf(a->name, sizeof(a->name), "%s", eq + 1);
	r->n_allow++;
	return 0;
}

static bool
may_use(const struct pki_ring *r, const char *name, uid_t uid)
{
	bool bound = false;
	size_t i;

	for (i = 0; i < r->n_allow; i++) {
		if (strcmp(r->allow[i].name, name) != 0)
			continue;
		if (r->allow[i].uid == uid)
			return true;
		bound = true;
	}
	return !bound;
}

struct pki_entry *
pki_ring_find(struct pki_ring *r, const char *name, uid_t uid,
    struct reason *why)
{
	struct pki_entry *n = *slot_of(r, name);

	if (n == NULL) {
		reason_set(why, "identity", "not-found", "no identity %s is "
		    "loaded", name);
		snprintf(why->fix, sizeof(why->fix), "dmvpn-pki load");
		return NULL;
	}
	if (!may_use(r, name, uid)) {
		reason_set(why, "identity", "denied", "uid %u may not use "
		    "identity %s", uid, name);
		return NULL;
	}
	return n;
}

/* A bucket that holds one second's worth. */
bool
pki_ring_take(struct pki_ring *r, struct pki_entry *n, uint64_t now,
    uint64_t cost)
{
	uint64_t most = r->rate * 1000;

	if (n->filled == 0 || now - n->filled >= 1000)
		n->tokens = most;
	else
		n->tokens += (now - n->filled) * r->rate;
	if (n->tokens > most)
		n->tokens = most;
	n->filled = now > 0 ? now : 1;
	if (n->tokens < cost)
		return false;
	n->tokens -= cost;
	return true;
}
