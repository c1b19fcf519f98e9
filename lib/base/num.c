#include "base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static int
digit(char c, unsigned base)
{
	int d = -1;

	if (c >= '0' && c <= '9')
		d = c - '0';
	else if (c >= 'a' && c <= 'f')
		d = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		d = c - 'A' + 10;
	return d >= 0 && (unsigned)d < base ? d : -1;
}

/* Read digits; returns the first octet that is none, NULL on overflow. */
static const char *
digits(const char *s, unsigned base, uint64_t *v)
{
	int d;

	*v = 0;
	for (; (d = digit(*s, base)) >= 0; s++)
		if (__builtin_mul_overflow(*v, base, v) ||
		    __builtin_add_overflow(*v, (uint64_t)d, v))
			return NULL;
	return s;
}

static int
check_range(const char *text, uint64_t v, uint64_t min, uint64_t max,
    struct err *e)
{
	if (v < min || v > max)
		return err_set(e, ERANGE, "\"%.64s\" is not within %" PRIu64
		    "..%" PRIu64, text, min, max);
	return 0;
}

int
num_parse(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    struct err *e)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *s = hex ? text + 2 : text;
	uint64_t n;
	const char *end = digits(s, hex ? 16 : 10, &n);

	if (end == s || (end != NULL && *end != '\0'))
		return err_set(e, EINVAL, "\"%.64s\" is not a number", text);
	if (end == NULL)
		return err_set(e, ERANGE, "\"%.64s\" is too large a number",
		    text);
	if (check_range(text, n, min, max, e) < 0)
		return -1;
	*v = n;
	return 0;
}

int
num_duration(const char *text, uint64_t min, uint64_t max, uint64_t *s,
    struct err *e)
{
	static const struct { char unit; uint32_t seconds; } units[] = {
		{ '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 604800 },
	};
	uint64_t n;
	const char *end = digits(text, 10, &n);
	size_t i;

	if (end == NULL)
		return err_set(e, ERANGE, "\"%.64s\" is too long a time", text);
	for (i = 0; end != text && i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end != units[i].unit || (*end && end[1] != '\0'))
			continue;
		if (__builtin_mul_overflow(n, units[i].seconds, &n))
			return err_set(e, ERANGE, "\"%.64s\" is too long a "
			    "time", text);
		if (check_range(text, n, min, max, e) < 0)
			return -1;
		*s = n;
		return 0;
	}
	return err_set(e, EINVAL, "\"%.64s\" is not a time such as 90s, 15m, "
	    "8h, 30d", text);
}
