#include "pki_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int
refuse(const char *name, const char *why, struct err *e)
{
	char shown[80];

	return err_set(e, EINVAL, "name \"%s\": %s", text_escape(name,
	    strlen(name), shown, sizeof(shown)), why);
}

static int
check(const char *name, const char *allowed, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0)
		return err_set(e, EINVAL, "a name is missing");
	if (len > PKI_NAME_MAX)
		return refuse(name, "longer than 63 octets", e);
	if (strspn(name, ALNUM) == 0)
		return refuse(name, "must begin with a letter or digit", e);
	if (strspn(name, allowed) != len)
		return refuse(name, "only letters, digits, \".\", \"_\" and "
		    "\"-\" are allowed", e);
	if (strstr(name, "..") != NULL)
		return refuse(name, "\"..\" is not allowed", e);
	return 0;
}

int
pki_name_check(const char *name, struct err *e)
{
	return check(name, ALNUM "._-", e);
}

int
pki_name_check_title(const char *name, struct err *e)
{
	if (check(name, ALNUM "._- ", e) < 0)
		return -1;
	if (name[strlen(name) - 1] == ' ')
		return refuse(name, "ends in a blank", e);
	return 0;
}

int
pki_name_of_file(const char *path, char out[PKI_NAME_MAX + 1], struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	const char *dot = strrchr(base, '.');
	size_t len = dot == NULL || dot == base ? strlen(base) :
	    (size_t)(dot - base);

	if (len > PKI_NAME_MAX)
		return refuse(base, "longer than 63 octets", e);
	snprintf(out, PKI_NAME_MAX + 1, "%.*s", (int)len, base);
	return pki_name_check(out, e);
}
