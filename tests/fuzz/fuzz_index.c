#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dmvpn-pki/pki_index.h"
#include "dmvpn-pki/pki_name.h"

/* A line of the index of openssl ca: what is taken has a name and a serial
 * number of ours. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pki_index_row row;
	char *text = malloc(len + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	if (pki_index_parse(text, &row, NULL) == 0 &&
	    (pki_name_check(row.name, NULL) < 0 || row.serial[0] == '\0' ||
	    strlen(row.serial) % 2 != 0))
		__builtin_trap();
	free(text);
	return 0;
}
