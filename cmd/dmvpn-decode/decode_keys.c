#include "decode_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/secret.h"
#include "base/text.h"
#include "wire/ike_names.h"

#define FIELDS_MAX	12

/* Wireshark's names; what stands in brackets behind them is left out. */
struct encr_name {
	const char	*text;
	uint16_t	 id;
	uint16_t	 bits;		/* 0: from the length of the key */
};

static const struct encr_name ike_encrs[] = {
	{ "3DES", IKE_ENCR_3DES, 0 },
	{ "AES-CBC-128", IKE_ENCR_AES_CBC, 128 },
	{ "AES-CBC-192", IKE_ENCR_AES_CBC, 192 },
	{ "AES-CBC-256", IKE_ENCR_AES_CBC, 256 },
	{ "AES-GCM-128 with 16 octet ICV", IKE_ENCR_AES_GCM_16, 128 },
	{ "AES-GCM-192 with 16 octet ICV", IKE_ENCR_AES_GCM_16, 192 },
	{ "AES-GCM-256 with 16 octet ICV", IKE_ENCR_AES_GCM_16, 256 },
	{ "ChaCha20-Poly1305", IKE_ENCR_CHACHA20_POLY1305, 256 },
	{ "CHACHA20_POLY1305", IKE_ENCR_CHACHA20_POLY1305, 256 },
	{ NULL, 0, 0 },
};

static const struct encr_name esp_encrs[] = {
	{ "AES-CBC", IKE_ENCR_AES_CBC, 0 },
	{ "AES-GCM", IKE_ENCR_AES_GCM_16, 0 },
	{ "AES-GCM with 16 octet ICV", IKE_ENCR_AES_GCM_16, 0 },
	{ "ChaCha20 with Poly1305", IKE_ENCR_CHACHA20_POLY1305, 0 },
	{ "CHACHA20_POLY1305", IKE_ENCR_CHACHA20_POLY1305, 0 },
	{ NULL, 0, 0 },
};

static const struct encr_name ike_integs[] = {
	{ "NONE", IKE_INTEG_NONE, 0 },
	{ "HMAC_SHA1_96", IKE_INTEG_HMAC_SHA1_96, 0 },
	{ "HMAC_SHA2_256_128", IKE_INTEG_HMAC_SHA256_128, 0 },
	{ "HMAC_SHA2_384_192", IKE_INTEG_HMAC_SHA384_192, 0 },
	{ "HMAC_SHA2_512_256", IKE_INTEG_HMAC_SHA512_256, 0 },
	{ NULL, 0, 0 },
};

static const struct encr_name esp_integs[] = {
	{ "NULL", IKE_INTEG_NONE, 0 },
	{ "HMAC-SHA-1-96", IKE_INTEG_HMAC_SHA1_96, 0 },
	{ "HMAC-SHA-256-128", IKE_INTEG_HMAC_SHA256_128, 0 },
	{ "HMAC-SHA-384-192", IKE_INTEG_HMAC_SHA384_192, 0 },
	{ "HMAC-SHA-512-256", IKE_INTEG_HMAC_SHA512_256, 0 },
	{ NULL, 0, 0 },
};

static const struct encr_name *
find_name(const struct encr_name *t, const char *text, struct err *e)
{
	size_t n = strlen(text);
	const char *bracket = strstr(text, " [");

	if (bracket != NULL)
		n = (size_t)(bracket - text);
	for (; t->text != NULL; t++)
		if (strlen(t->text) == n && strncmp(t->text, text, n) == 0)
			return t;
	return err_null(err_set(e, ENOTSUP, "algorithm \"%s\" is not one "
	    "that can be decrypted here", text));
}

static int
key_parse(const char *hex, struct key *k, struct err *e)
{
	struct wbuf w = wbuf_of(k->b, sizeof(k->b));

	if (text_unhex(hex, &w, e) < 0)
		return -1;
	k->len = w.len;
	return 0;
}

static int
spi_parse(const char *hex, size_t len, uint64_t *spi, struct err *e)
{
	uint8_t room[8];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct rbuf r;

	if (text_unhex(hex, &w, e) < 0)
		return -1;
	if (w.len != len)
		return err_set(e, EINVAL, "SPI \"%s\" is not of %zu octets",
		    hex, len);
	r = wbuf_rbuf(&w);
	*spi = len == 8 ? rbuf_be64(&r) : rbuf_be32(&r);
	return 0;
}

/* Cut a line into its fields, in place.  Returns how many. */
static size_t
split(char *line, char *field[FIELDS_MAX])
{
	char *p = line, *end;
	size_t n = 0;

	while (p != NULL && n < FIELDS_MAX) {
		if (*p == '"') {
			field[n++] = ++p;
			end = strchr(p, '"');
			if (end == NULL)
				return 0;
			*end++ = '\0';
			p = *end == ',' ? end + 1 : NULL;
			continue;
		}
		field[n++] = p;
		p = strchr(p, ',');
		if (p != NULL)
			*p++ = '\0';
	}
	return n;
}

static int
ike_row(char *field[], size_t n, struct keys_ike *k, struct err *e)
{
	const struct encr_name *encr, *integ;

	if (n < 8)
		return err_set(e, EINVAL, "%zu fields, 8 wanted", n);
	encr = find_name(ike_encrs, field[4], e);
	integ = encr == NULL ? NULL : find_name(ike_integs, field[7], e);
	if (integ == NULL || spi_parse(field[0], 8, &k->spi_i, e) < 0 ||
	    spi_parse(field[1], 8, &k->spi_r, e) < 0)
		return -1;
	k->encr = encr->id;
	k->key_bits = encr->bits;
	k->integ = integ->id;
	if (key_parse(field[2], &k->e_i, e) < 0 ||
	    key_parse(field[3], &k->e_r, e) < 0 ||
	    key_parse(field[5], &k->a_i, e) < 0 ||
	    key_parse(field[6], &k->a_r, e) < 0)
		return -1;
	return 0;
}

static int
any_addr(const char *text, struct addr *a, struct err *e)
{
	if (strcmp(text, "*") == 0 || text[0] == '\0')
		return 0;
	return addr_parse(text, a, e);
}

static int
esp_row(char *field[], size_t n, struct keys_esp *k, struct err *e)
{
	const struct encr_name *encr, *integ;
	uint64_t spi = 0;

	if (n < 8)
		return err_set(e, EINVAL, "%zu fields, 8 wanted", n);
	encr = find_name(esp_encrs, field[4], e);
	integ = encr == NULL ? NULL : find_name(esp_integs, field[6], e);
	if (integ == NULL || any_addr(field[1], &k->src, e) < 0 ||
	    any_addr(field[2], &k->dst, e) < 0 ||
	    num_parse(field[3], 1, UINT32_MAX, &spi, e) < 0)
		return -1;
	k->spi = (uint32_t)spi;
	k->encr = encr->id;
	k->integ = integ->id;
	if (key_parse(field[5], &k->e, e) < 0 ||
	    key_parse(field[7], &k->a, e) < 0)
		return -1;
	return 0;
}

/* Room for one more row at the end of a list; NULL: no memory or too many. */
static void *
grow(void *list, size_t n, size_t size, struct err *e)
{
	void *p;

	if (n >= KEYS_MAX)
		return err_null(err_set(e, E2BIG, "more than %d keys",
		    KEYS_MAX));
	p = realloc(list, (n + 1) * size);
	if (p == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	return p;
}

static int
add_ike(struct keys *k, char *line, struct err *e)
{
	char *field[FIELDS_MAX];
	struct keys_ike *list, row = { 0 };
	size_t n = split(line, field);

	if (ike_row(field, n, &row, e) < 0)
		return -1;
	list = grow(k->ike, k->n_ike, sizeof(*list), e);
	if (list == NULL)
		return -1;
	k->ike = list;
	k->ike[k->n_ike++] = row;
	return 0;
}

static int
add_esp(struct keys *k, char *line, struct err *e)
{
	char *field[FIELDS_MAX];
	struct keys_esp *list, row = { 0 };
	size_t n = split(line, field);

	if (esp_row(field, n, &row, e) < 0)
		return -1;
	list = grow(k->esp, k->n_esp, sizeof(*list), e);
	if (list == NULL)
		return -1;
	k->esp = list;
	k->esp[k->n_esp++] = row;
	return 0;
}

int
keys_add_ike(struct keys *k, const char *line, struct err *e)
{
	char *copy = strdup(line);
	int rc;

	if (copy == NULL)
		return err_set(e, ENOMEM, "out of memory");
	rc = add_ike(k, copy, e);
	secret_wipe(copy, strlen(line));
	free(copy);
	return rc;
}

/* Call add for every line of a file that says something. */
static int
read_lines(struct keys *k, const char *path,
    int (*add)(struct keys *, char *, struct err *), struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	unsigned n = 0;
	int rc = 0;

	if (f == NULL)
		return err_sys(e, "open %s", path);
	while (rc == 0 && getline(&line, &room, f) >= 0) {
		n++;
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		rc = add(k, line, e);
	}
	if (rc < 0)
		err_in(e, "%s:%u", path, n);
	if (line != NULL)
		secret_wipe(line, room);
	free(line);
	fclose(f);
	return rc;
}

int
keys_read_ike(struct keys *k, const char *path, struct err *e)
{
	return read_lines(k, path, add_ike, e);
}

int
keys_read_esp(struct keys *k, const char *path, struct err *e)
{
	return read_lines(k, path, add_esp, e);
}

void
keys_fini(struct keys *k)
{
	if (k->ike != NULL)
		secret_wipe(k->ike, k->n_ike * sizeof(*k->ike));
	if (k->esp != NULL)
		secret_wipe(k->esp, k->n_esp * sizeof(*k->esp));
	free(k->ike);
	free(k->esp);
	memset(k, 0, sizeof(*k));
}

const struct keys_ike *
keys_find_ike(const struct keys *k, uint64_t spi_i, uint64_t spi_r)
{
	size_t i;

	for (i = k->n_ike; i > 0; i--)
		if (k->ike[i - 1].spi_i == spi_i &&
		    k->ike[i - 1].spi_r == spi_r)
			return &k->ike[i - 1];
	return NULL;
}

static bool
fits(const struct addr *want, const struct addr *a)
{
	return want->len == 0 || addr_equal(want, a);
}

const struct keys_esp *
keys_find_esp(const struct keys *k, uint32_t spi, const struct addr *src,
    const struct addr *dst)
{
	size_t i;

	for (i = 0; i < k->n_esp; i++)
		if (k->esp[i].spi == spi && fits(&k->esp[i].src, src) &&
		    fits(&k->esp[i].dst, dst))
			return &k->esp[i];
	return NULL;
}
