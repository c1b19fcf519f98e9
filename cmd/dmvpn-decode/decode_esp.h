#ifndef DECODE_ESP_H
#define DECODE_ESP_H

#include <stddef.h>
#include <stdint.h>

#include "decode_keys.h"
#include "wire/dissect.h"

#define DECODE_ESP_MAX	65536	/* octets of a packet inside */

/* Open the ESP packet of d into room.  0: inner describes what was inside
 * and points into room; -1: no key, cut, forged, or room is too small.
 * *spi is set in both cases. */
int decode_esp(const struct keys *k, const struct dissect *d, uint8_t *room,
    size_t room_len, uint32_t *spi, struct dissect *inner);

#endif
