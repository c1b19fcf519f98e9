#include "pki_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "base/secret.h"
#include "base/text.h"
#include "pki_file.h"

#define PART		10	/* a tenth */
#define SLACK		60	/* seconds that a clock is set back by at most,
				 * and nobody minds */
#define ABOUT_MAX	1024
#define BODY_MAX	(2u * CRL_MAX)	/* of PEM */

int
pki_fetch_init(struct pki_fetch *f, const char *place, struct err *e)
{
	memset(f, 0, sizeof(*f));
	f->is_url = strncmp(place, "http://", 7) == 0 ||
	    strncmp(place, "https://", 8) == 0;
	return text_copy(f->place, sizeof(f->place), place, e);
}

void
pki_fetch_fini(struct pki_fetch *f)
{
	crl_set_fini(&f->crls);
	free(f->octets);
	memset(f, 0, sizeof(*f));
}

/* ------------------------------------------------------------- what has come */

static int
parse(struct rbuf octets, struct crl_set *s, struct err *e)
{
	size_t len = rbuf_left(&octets);

	if (len == 0)
		return err_set(e, EBADMSG, "nothing came");
	return octets.p[0] == 0x30 ? crl_set_add_der(s, octets, e) :
	    crl_set_add_pem(s, (const char *)octets.p, len, e);
}

static int
check_signer(const struct crl *c, const struct cert_set *trust,
    struct err *e)
{
	size_t i;
	int rc, seen = 0;

	for (i = 0; i < trust->n; i++) {
		if ((rc = crl_issued_by(c, trust->v[i])) == 1)
			return 0;
		seen = rc < 0 ? rc : seen;
	}
	return err_set(e, EPERM, seen < 0 ? "the CRL's signature does not "
	    "verify" : "the CRL is of another CA");
}

static int
check_signers(const struct crl_set *s, const struct cert_set *trust,
    struct err *e)
{
	size_t i;

	for (i = 0; trust != NULL && i < s->n; i++)
		if (check_signer(s->v[i], trust, e) < 0)
			return -1;
	return 0;
}

static int
check_newer(const struct crl_info *new, const struct crl_info *old,
    struct err *e)
{
	int cmp = memcmp(new->number, old->number, sizeof(new->number));

	return cmp > 0 || (cmp == 0 && new->made >= old->made) ? 0 :
	    err_set(e, ESTALE, "it is older than the one that is there");
}

/* One of the same issuer and scope; what nobody whom we trust has signed (a copy
 * on the disk that somebody has made) has no say. */
static bool
precedes(const struct crl *c, const struct crl_info *info,
    const struct crl_info *of, const struct cert_set *trust)
{
	return memcmp(info->issuer, of->issuer, sizeof(of->issuer)) == 0 &&
	    (trust == NULL || check_signer(c, trust, NULL) == 0);
}

/* Each against its predecessor. */
static int
check(const struct pki_fetch *f, const struct crl_set *new,
    const struct cert_set *trust, struct err *e)
{
	struct crl_info a, b;
	size_t i, k;

	if (check_signers(new, trust, e) < 0)
		return -1;
	for (i = 0; i < new->n; i++) {
		if (crl_info(new->v[i], &a, e) < 0)
			return -1;
		for (k = 0; k < f->crls.n; k++)
			if (crl_info(f->crls.v[k], &b, NULL) == 0 &&
			    precedes(f->crls.v[k], &b, &a, trust) &&
			    check_newer(&a, &b, e) < 0)
				return -1;
	}
	return 0;
}

int
pki_fetch_take(struct pki_fetch *f, struct rbuf octets,
    const struct cert_set *trust, struct err *e)
{
	size_t len = rbuf_left(&octets);
	struct crl_set new = { .n = 0 };
	uint8_t *copy;

	if (f->octets != NULL && f->len == len &&
	    memcmp(f->octets, octets.p, len) == 0)
		return check_signers(&f->crls, trust, e);
	if (parse(octets, &new, e) < 0 || check(f, &new, trust, e) < 0) {
		crl_set_fini(&new);
		return -1;
	}
	if ((copy = malloc(len)) == NULL) {
		crl_set_fini(&new);
		return err_set(e, ENOMEM, "out of memory");
	}
	memcpy(copy, octets.p, len);
	free(f->octets);
	crl_set_fini(&f->crls);
	f->octets = copy;
	f->len = len;
	f->crls = new;
	f->told = f->settled = false;
	return 1;
}

/* -------------------------------------------------------------------- times */

/* Of the list that ends first. */
static void
life(const struct pki_fetch *f, int64_t *made, int64_t *end)
{
	struct crl_info info;
	size_t i;

	*made = 0;
	*end = INT64_MAX;
	for (i = 0; i < f->crls.n; i++)
		if (crl_info(f->crls.v[i], &info, NULL) == 0 &&
		    info.next < *end) {
			*made = info.made;
			*end = info.next;
		}
}

int64_t
pki_fetch_end(const struct pki_fetch *f)
{
	int64_t made, end;

	life(f, &made, &end);
	return end;
}

enum pki_fetch_age
pki_fetch_age(const struct pki_fetch *f, int64_t now)
{
	int64_t made, end;

	life(f, &made, &end);
	if (f->crls.n == 0 || now >= end)
		return PKI_FETCH_STALE;
	if (end == INT64_MAX || now < end - (end - made) / PART)
		return PKI_FETCH_FRESH;
	return PKI_FETCH_ENDING;
}

static int64_t
after_failure(const struct pki_fetch *f, uint64_t every)
{
	uint64_t wait = PKI_FETCH_FIRST;
	unsigned i;

	for (i = 1; i < f->fails && wait < every; i++)
		wait *= 2;
	return (int64_t)(wait < every ? wait : every);
}

int64_t
pki_fetch_next(const struct pki_fetch *f, int64_t now, uint64_t every,
    uint32_t random)
{
	int64_t wait = f->fails > 0 ? after_failure(f, every) :
	    (int64_t)every, made, end, best;

	life(f, &made, &end);
	if (f->fails == 0 && end != INT64_MAX && end > now) {
		best = end - (end - made) / PART - now;
		/* The next one may be late: not again and again. */
		if (best < PKI_FETCH_FIRST)
			best = PKI_FETCH_FIRST;
		if (best < wait)
			wait = best;
	}
	return now + wait - wait * (int64_t)(random % 1000) / 1000 / PART;
}

bool
pki_fetch_is_due(const struct pki_fetch *f, int64_t now, uint64_t every)
{
	return f->due <= now || f->due - now > (int64_t)every + SLACK;
}

/* --------------------------------------------------------- copy on the disk */

static int
path_of(const struct pki_fetch *f, const char *dir, const char *suffix,
    char *out, size_t len, struct err *e)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char hex[2 * 12 + 1];
	int n;

	SHA256((const uint8_t *)f->place, strlen(f->place), hash);
	text_hex(hash, 12, hex, sizeof(hex));
	n = snprintf(out, len, "%s/%s.%s", dir, hex, suffix);
	return n > 0 && (size_t)n < len ? 0 : err_set(e, ENAMETOOLONG,
	    "%s: path too long", dir);
}

static const char *
hash_of(const uint8_t *octets, size_t len, char hex[65])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256(octets, len, hash);
	return text_hex(hash, sizeof(hash), hex, 65);
}

int
pki_fetch_save(const struct pki_fetch *f, const char *dir, struct err *e)
{
	char path[1024], about[ABOUT_MAX], hex[65];
	int n;

	if (path_of(f, dir, "crl", path, sizeof(path), e) < 0 ||
	    pki_file_write(path, 0644, true, f->octets, f->len, e) < 0)
		return -1;
	n = snprintf(about, sizeof(about), "sha256 %s\netag %s\nmodified %s\n",
	    hash_of(f->octets, f->len, hex), f->etag, f->modified);
	if (n < 0 || (size_t)n >= sizeof(about) ||
	    path_of(f, dir, "about", path, sizeof(path), e) < 0)
		return -1;
	return pki_file_write(path, 0644, true, about, (size_t)n, e);
}

int
pki_fetch_alarm(const struct pki_fetch *f, const char *dir, const char *text,
    struct err *e)
{
	char path[1024], line[2048];
	int n;

	if (path_of(f, dir, "alarm", path, sizeof(path), e) < 0)
		return -1;
	if (text[0] == '\0')
		return unlink(path) == 0 || errno == ENOENT ? 0 :
		    err_sys(e, "%s", path);
	n = snprintf(line, sizeof(line), "%s\n", text);
	return n > 0 && (size_t)n < sizeof(line) ? pki_file_write(path, 0644,
	    true, line, (size_t)n, e) : err_set(e, ENAMETOOLONG, "alarm");
}

static void
line_of(const char *text, const char *key, char *out, size_t len)
{
	size_t n = strlen(key), i = 0;

	out[0] = '\0';
	while (*text != '\0' && strncmp(text, key, n) != 0) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	if (*text == '\0')
		return;
	for (text += n; *text > ' ' - 1 && i + 1 < len; text++)
		out[i++] = *text;
	out[i] = '\0';
}

/* Without it, or when it is about other octets, all is asked for again. */
static void
restore_about(struct pki_fetch *f, const char *dir)
{
	char path[1024], hex[65], told[65];
	struct secret *text;

	if (path_of(f, dir, "about", path, sizeof(path), NULL) < 0 ||
	    (text = pki_file_read(path, false, ABOUT_MAX, NULL)) == NULL)
		return;
	line_of((char *)text->b, "sha256 ", told, sizeof(told));
	if (strcmp(told, hash_of(f->octets, f->len, hex)) == 0) {
		line_of((char *)text->b, "etag ", f->etag, sizeof(f->etag));
		line_of((char *)text->b, "modified ", f->modified,
		    sizeof(f->modified));
		f->settled = true;
	}
	secret_free(text);
}

int
pki_fetch_restore(struct pki_fetch *f, const char *dir,
    const struct cert_set *trust, struct err *e)
{
	struct secret *text;
	char path[1024];
	int rc;

	if (path_of(f, dir, "crl", path, sizeof(path), e) < 0)
		return -1;
	if (access(path, F_OK) < 0)
		return 0;
	if ((text = pki_file_read(path, false, BODY_MAX, e)) == NULL)
		return -1;
	rc = pki_fetch_take(f, rbuf_of(text->b, text->len), trust, e);
	secret_free(text);
	if (rc < 0)
		return err_in(e, "%s", path);
	restore_about(f, dir);
	return 1;
}
