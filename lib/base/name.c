#include "base/name.h"

#include <stdio.h>
#include <string.h>

const char *
name_find(const struct name *names, uint32_t value)
{
	for (; names->text != NULL; names++)
		if (names->value == value)
			return names->text;
	return NULL;
}

const char *
name_text(const struct name *names, uint32_t value, struct name_buf *b)
{
	const char *text = name_find(names, value);

	if (text != NULL)
		return text;
	snprintf(b->s, sizeof(b->s), "unknown(%u)", value);
	return b->s;
}

int
name_value(const struct name *names, const char *text, uint32_t *value)
{
	for (; names->text != NULL; names++)
		if (strcmp(names->text, text) == 0) {
			*value = names->value;
			return 0;
		}
	return -1;
}
