#include "wire/esp.h"

void
esp_pad(uint8_t *p, size_t n, size_t text, uint8_t next)
{
	size_t i, pad = text - n - ESP_TRAILER;

	for (i = 0; i < pad; i++)
		p[n + i] = (uint8_t)(i + 1);
	p[text - 2] = (uint8_t)pad;
	p[text - 1] = next;
}

int
esp_unpad(const uint8_t *p, size_t text, size_t *n, uint8_t *next)
{
	size_t i, pad;

	if (text < ESP_TRAILER)
		return -1;
	pad = p[text - 2];
	if (pad > text - ESP_TRAILER)
		return -1;
	*n = text - ESP_TRAILER - pad;
	for (i = 0; i < pad; i++)
		if (p[*n + i] != i + 1)
			return -1;
	*next = p[text - 1];
	return 0;
}
