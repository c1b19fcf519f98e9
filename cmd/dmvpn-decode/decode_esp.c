#include "decode_esp.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/esp.h"
#include "wire/ike_names.h"

#define ESP_HEAD	8	/* SPI and sequence number */

/* Wireshark's pair of names and a key length -> our algorithm. */
static const struct {
	uint16_t	encr, integ;
	size_t		key_len;
	enum esp_alg	alg;
} algorithms[] = {
	{ IKE_ENCR_AES_GCM_16, 0, 20, ESP_AES128_GCM },
	{ IKE_ENCR_AES_GCM_16, 0, 36, ESP_AES256_GCM },
	{ IKE_ENCR_CHACHA20_POLY1305, 0, 36, ESP_CHACHA20_POLY1305 },
	{ IKE_ENCR_AES_CBC, IKE_INTEG_HMAC_SHA256_128, 16,
	    ESP_AES128_CBC_SHA256 },
	{ IKE_ENCR_AES_CBC, IKE_INTEG_HMAC_SHA256_128, 32,
	    ESP_AES256_CBC_SHA256 },
};

static struct esp_key *
key_of(const struct keys_esp *k)
{
	uint8_t keymat[2 * KEY_MAX];
	struct wbuf w = wbuf_of(keymat, sizeof(keymat));
	struct esp_key *key = NULL;
	size_t i;

	wbuf_put(&w, k->e.b, k->e.len);
	if (k->integ != IKE_INTEG_NONE)
		wbuf_put(&w, k->a.b, k->a.len);
	for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (algorithms[i].encr == k->encr &&
		    algorithms[i].integ == k->integ &&
		    algorithms[i].key_len == k->e.len)
			key = esp_key_new(algorithms[i].alg, false, keymat,
			    w.len, 1, NULL);
	secret_wipe(keymat, sizeof(keymat));
	return key;
}

/* Open a copy in room; the capture does not say whether ESN is in use. */
static int
open_packet(struct esp_key *key, struct rbuf packet, uint8_t *room,
    bool esn, struct rbuf *text)
{
	const struct esp_suite *s = esp_key_suite(key);
	size_t head = ESP_HEAD + (size_t)s->iv_len, n = rbuf_left(&packet);
	struct rbuf look = packet;
	struct esp_job job = { .p = room, .ok = false };

	if (n < head + s->icv_len + 2)
		return -1;
	job.text = n - head - s->icv_len;
	if (job.text % s->block != 0)
		return -1;
	memcpy(room, packet.p, n);
	rbuf_skip(&look, 4);
	job.sequence = rbuf_be32(&look);
	if (esp_open(key, 0, esn, &job, 1) != 1)
		return -1;
	look = rbuf_of(room, head + job.text);
	rbuf_skip(&look, head);
	*text = look;
	return 0;
}

/* RFC 4303, 2.4 to 2.6: padding, its length, next header. */
static int
trailer(struct rbuf text, uint8_t *next, struct rbuf *payload)
{
	size_t n = rbuf_left(&text);
	struct rbuf look = text;
	uint8_t pad;

	rbuf_skip(&look, n - 2);
	pad = rbuf_u8(&look);
	*next = rbuf_u8(&look);
	if (pad + 2u > n)
		return -1;
	*payload = rbuf_sub(&text, n - 2 - pad);
	return 0;
}

int
decode_esp(const struct keys *k, const struct dissect *d, uint8_t *room,
    size_t room_len, uint32_t *spi, struct dissect *inner)
{
	struct rbuf packet = d->data, text, payload;
	const struct keys_esp *found;
	struct esp_key *key;
	uint8_t next;
	int rc;

	*spi = rbuf_be32(&packet);
	packet = d->data;
	found = keys_find_esp(k, *spi, &d->src.addr, &d->dst.addr);
	if (found == NULL || d->cut || rbuf_left(&packet) > room_len)
		return -1;
	key = key_of(found);
	if (key == NULL)
		return -1;
	rc = open_packet(key, packet, room, false, &text);
	if (rc < 0)
		rc = open_packet(key, packet, room, true, &text);
	esp_key_free(key);
	if (rc < 0 || trailer(text, &next, &payload) < 0)
		return -1;
	*inner = (struct dissect){ .src = d->src, .dst = d->dst };
	dissect_payload(next, payload, inner);
	return 0;
}
