#ifndef WIRE_ESP_H
#define WIRE_ESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * ESP framing (RFC 4303) and UDP encapsulation (RFC 3948).
 */
#define ESP_HEAD_LEN	8	/* SPI, sequence number */
#define ESP_TRAILER	2	/* pad length, next header */
#define ESP_SPI_MIN	256	/* 1..255 are IANA's, 0 is local */
#define UDP_KEEPALIVE	0xff	/* RFC 3948, 2.3 */
#define IKE_MARKER_LEN	4	/* RFC 3948, 2.2: zeros before IKE */

/* Octets of text (payload, padding, trailer) for n octets of payload. */
static inline size_t
esp_text_len(size_t n, size_t block)
{
	return (n + ESP_TRAILER + block - 1) / block * block;
}

/* The most payload that fits into room octets of text. */
static inline size_t
esp_payload_max(size_t room, size_t block)
{
	size_t text = room / block * block;

	return text < ESP_TRAILER ? 0 : text - ESP_TRAILER;
}

/* Write padding 1, 2, 3, ... and the trailer behind n octets of payload so
 * that text octets result. */
void esp_pad(uint8_t *p, size_t n, size_t text, uint8_t next);

/* Judge the end of the decrypted text: 0 with *n the octets of payload and
 * *next, or -1 when the padding is not 1, 2, 3, ... or too long. */
int esp_unpad(const uint8_t *p, size_t text, size_t *n, uint8_t *next);

#endif
