#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/num.h"
#include "base/text.h"
#include "cmd.h"
#include "sys/command.h"

int
cmd_text(char *to, size_t len, const char *from, const char *what)
{
	if (from[0] != '\0' && text_copy(to, len, from, NULL) == 0)
		return 0;
	(void)command_usage("%s \"%s\": 1 to %zu characters", what, from,
	    len - 1);
	return -1;
}

int
cmd_name(const struct name *names, const char *text, const char *what,
    uint32_t *v)
{
	char all[160] = "";
	size_t n;

	if (name_value(names, text, v) == 0)
		return 0;
	for (; names->text != NULL; names++) {
		n = strlen(all);
		(void)strncat(all, n > 0 ? ", " : "", sizeof(all) - n - 1);
		n = strlen(all);
		(void)strncat(all, names->text, sizeof(all) - n - 1);
	}
	(void)command_usage("%s \"%s\": one of %s", what, text, all);
	return -1;
}

int
cmd_number(const char *text, uint64_t min, uint64_t max, const char *what,
    uint64_t *v)
{
	struct err e;

	if (num_parse(text, min, max, v, &e) == 0)
		return 0;
	(void)command_usage("%s: %s", what, e.msg);
	return -1;
}

int
cmd_spi(const char *text, const char *what, uint32_t *spi)
{
	char hex[2 + 8 + 1];
	uint64_t v;

	if (strlen(text) == 8 &&
	    strspn(text, "0123456789abcdefABCDEF") == 8) {
		snprintf(hex, sizeof(hex), "0x%s", text);
		text = hex;
	}
	if (cmd_number(text, 256, UINT32_MAX, what, &v) < 0)
		return -1;
	*spi = (uint32_t)v;
	return 0;
}

int
cmd_addr(const char *text, const char *what, struct addr *a)
{
	struct err e;

	if (addr_parse(text, a, &e) == 0)
		return 0;
	(void)command_usage("%s: %s", what, e.msg);
	return -1;
}

int
cmd_prefix(const char *text, const char *what, struct prefix *p)
{
	struct err e;

	if (prefix_parse(text, p, &e) == 0)
		return 0;
	(void)command_usage("%s: %s", what, e.msg);
	return -1;
}

int
cmd_whose(char owner[64], const char *from, char interface[16],
    const char *name)
{
	if (cmd_text(owner, 64, from, "owner") < 0)
		return -1;
	return cmd_text(interface, 16, name, "interface");
}
