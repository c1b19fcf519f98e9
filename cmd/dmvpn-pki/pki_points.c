#include "pki_points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define ROWS_MAX 1000000

int
pki_url_check(const char *url, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?[]@!$&'()*+;=%";
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 :
	    strncmp(url, "https://", 8) == 0 ? url + 8 : "";

	if (url[0] == '\0')
		return 0;
	if (strlen(url) >= PKI_SETTING_MAX)
		return err_set(e, EINVAL, "URL of over %d octets",
		    PKI_SETTING_MAX - 1);
	if (host[0] == '\0' || host[0] == '/' ||
	    strspn(url, allowed) != strlen(url))
		return err_set(e, EINVAL, "that is no URL such as "
		    "http://ca.example.org/ca.crl");
	return 0;
}

void
pki_points_name(const char *base, int64_t generation, unsigned partition,
    char out[PKI_URL_MAX])
{
	const char *slash = strrchr(base, '/'), *dot = strrchr(base, '.');
	const char *begin = slash == NULL ? base : slash + 1;
	size_t stem = dot != NULL && dot > begin ? (size_t)(dot - base) :
	    strlen(base);
	char key[24] = "", part[16] = "";

	if (generation > 1)
		snprintf(key, sizeof(key), "-g%lld", (long long)generation);
	if (partition > 0)
		snprintf(part, sizeof(part), "-%u", partition);
	snprintf(out, PKI_URL_MAX, "%.*s%s%s%s", (int)stem, base, key, part,
	    base + stem);
}

/* The setting as a number; 0 when there is none. */
static int
partitions(struct pki_store *s, unsigned *n, struct err *e)
{
	char text[PKI_SETTING_MAX];
	uint64_t v = 0;

	if (pki_store_setting(s, PKI_CRL_PARTITIONS, text, e) < 0 ||
	    (text[0] != '\0' && num_parse(text, 0, PKI_PARTITIONS_MAX, &v,
	    e) < 0))
		return -1;
	*n = (unsigned)v;
	return 0;
}

int
pki_points_take(struct pki_store *s, struct pki_want *w, struct pki_points *p,
    struct err *e)
{
	struct pki_store_ca ca;
	char url[PKI_SETTING_MAX];
	unsigned n, last = (unsigned)w->serial[PKI_SERIAL_LEN - 2] << 8 |
	    w->serial[PKI_SERIAL_LEN - 1];

	memset(p, 0, sizeof(*p));
	w->crl_url = w->ocsp_url = NULL;
	if (pki_store_setting(s, PKI_CRL_URL, url, e) < 0 ||
	    pki_store_setting(s, PKI_OCSP_URL, p->ocsp, e) < 0 ||
	    partitions(s, &n, e) < 0)
		return -1;
	if (p->ocsp[0] != '\0')
		w->ocsp_url = p->ocsp;
	if (url[0] == '\0')
		return 0;
	if (pki_store_ca(s, &ca, e) < 0)
		return -1;
	if (n > 0)
		p->partition = 1 + last % n;
	pki_points_name(url, ca.generation, p->partition, p->crl);
	w->crl_url = p->crl;
	return 0;
}

int
pki_points_count(struct pki_store *s, int64_t generation, int64_t now,
    unsigned *n, struct err *e)
{
	char url[PKI_SETTING_MAX];
	struct pki_living living;

	*n = 0;
	if (pki_store_setting(s, PKI_CRL_URL, url, e) < 0 ||
	    partitions(s, n, e) < 0 ||
	    pki_store_living(s, generation, now, &living, e) < 0)
		return -1;
	if (url[0] == '\0')
		*n = 0;
	/* There may have been more of them once. */
	if (living.partition > *n)
		*n = living.partition;
	return 0;
}

/* -------------------------------------------------------------------- lists */

struct rows {
	struct pki_revoked	*v;
	size_t			 n, room;
	bool			 full;
};

static int
add_row(void *arg, const struct pki_row *row)
{
	struct rows *r = arg;
	size_t room = r->room == 0 ? 64 : 2 * r->room;
	struct pki_revoked *more;
	char *text;

	if (r->n == r->room) {
		more = r->n >= ROWS_MAX ? NULL :
		    reallocarray(r->v, room, sizeof(*more));
		if (more == NULL)
			return r->full = true;
		r->v = more;
		r->room = room;
	}
	if (asprintf(&text, "%s%c%s", row->serial, '\0', row->why) < 0)
		return r->full = true;
	r->v[r->n].serial = text;
	r->v[r->n].why = text + strlen(text) + 1;
	r->v[r->n++].at = row->revoked;
	return 0;
}

static void
rows_fini(struct rows *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		free((void *)(uintptr_t)r->v[i].serial);
	free(r->v);
}

/* A partition without a URL speaks of nothing. */
static int
url_of(struct pki_store *s, int64_t generation, unsigned partition,
    char url[PKI_URL_MAX], struct err *e)
{
	char base[PKI_SETTING_MAX];

	if (partition == 0)
		return 0;
	if (pki_store_setting(s, PKI_CRL_URL, base, e) < 0)
		return -1;
	if (base[0] == '\0')
		return err_set(e, EINVAL, "partitions want a URL: dmvpn-pki "
		    "settings --crl-url");
	pki_points_name(base, generation, partition, url);
	return 0;
}

X509_CRL *
pki_points_crl(struct pki_store *s, const struct pki_ca *ca,
    int64_t generation, unsigned partition, int64_t now, int64_t next,
    struct err *e)
{
	struct rows rows = { .n = 0 };
	char url[PKI_URL_MAX];
	X509_CRL *crl = NULL;
	uint64_t number;

	if (now < PKI_TIME_MIN)
		return err_null(err_set(e, EINVAL, "the clock is wrong: it is "
		    "before 2026"));
	/* What has ended stands on one more list (RFC 5280, 3.3). */
	if (url_of(s, generation, partition, url, e) == 0 &&
	    pki_store_revoked(s, generation, partition, now - (next - now),
	    add_row, &rows, e) == 0 &&
	    pki_store_crl_number_of(s, generation, &number, e) == 0)
		crl = pki_issue_crl_part(ca, partition == 0 ? NULL : url,
		    number, now, next, rows.v, rows.n, e);
	else if (rows.full)
		err_set(e, ENOMEM, "too many revocations");
	rows_fini(&rows);
	return crl;
}
