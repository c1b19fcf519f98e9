#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * Registries: a number and its name, written once as an X-macro
 *	#define THINGS(X)  X(THING_ONE, 1, "one")  X(THING_TWO, 2, "two")
 *	enum thing { THINGS(NAME_ENUM) };
 *	const struct name thing_names[] = { THINGS(NAME_ROW) NAME_END };
 * Names are lower case with hyphens, as users see and type them.
 */
struct name {
	uint32_t	 value;
	const char	*text;	/* NULL: end of the table */
};

#define NAME_ENUM(sym, value, text) sym = (value),
#define NAME_ROW(sym, value, text) { (value), (text) },
#define NAME_END { 0, NULL }

/* Room for any name, "unknown(4294967295)" included. */
struct name_buf {
	char	s[32];
};

/* The name, or "unknown(240)" written into b. */
const char *name_text(const struct name *names, uint32_t value,
    struct name_buf *b);

/* The name, or NULL. */
const char *name_find(const struct name *names, uint32_t value);

/* 0 and *value, or -1 when no row has this text. */
int name_value(const struct name *names, const char *text, uint32_t *value);

#endif
