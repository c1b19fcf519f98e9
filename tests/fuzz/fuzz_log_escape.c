/*
 * Foreign octets on their way to a person: what comes out is printable,
 * fits, ends; JSON strings have no control characters and are UTF-8.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sys/out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int yes, const char *what)
{
	if (yes)
		return;
	fprintf(stderr, "broken: %s\n", what);
	__builtin_trap();
}

static void
escape(const uint8_t *data, size_t size, size_t room)
{
	char *out = malloc(room);
	size_t i, n;

	must(out != NULL, "memory");
	must(text_escape(data, size, out, room) == out, "its own storage");
	n = strlen(out);
	must(n < room, "it fits");
	for (i = 0; i < n; i++)
		must(out[i] >= ' ' && out[i] <= '~', "printable");
	free(out);
}

static void
json(const uint8_t *data, size_t size)
{
	char *text = NULL;
	size_t i, len = 0;
	FILE *f = open_memstream(&text, &len);

	must(f != NULL, "memory");
	json_text(f, data, size);
	fclose(f);
	must(len >= 2 && text[0] == '"' && text[len - 1] == '"', "quoted");
	must(text_is_utf8(text, len), "UTF-8");
	for (i = 1; i < len - 1; i++) {
		must((unsigned char)text[i] >= ' ', "no control character");
		must(text[i] != '"' || text[i - 1] == '\\', "no bare quote");
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size > 0 ? data[0] + 4u : 4;

	escape(data, size, room);
	escape(data, size, size * 4 + 1);
	json(data, size);
	return 0;
}
