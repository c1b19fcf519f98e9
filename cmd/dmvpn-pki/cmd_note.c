/* What the operator did, in the table that `audit` shows; see cmd_ca.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "cmd_ca.h"
#include "sys/loop.h"

/* Who logged in, whatever he is by now: the kernel keeps that over su and
 * sudo.  -1: it does not say. */
static int64_t
login_uid(void)
{
	char text[16] = "";
	uint64_t uid;
	int fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	return num_parse(text, 0, UINT32_MAX - 1, &uid, NULL) < 0 ? -1 :
	    (int64_t)uid;
}

static const char *
from_text(char out[48])
{
	int64_t login = login_uid(), uid = (int64_t)getuid();

	if (login >= 0 && login != uid)
		snprintf(out, 48, "uid %lld, login %lld", (long long)uid,
		    (long long)login);
	else
		snprintf(out, 48, "uid %lld", (long long)uid);
	return out;
}

int
cmd_note(struct pki_store *s, enum pki_audit_what what, const char *who,
    const struct pki_audit_row *about, struct err *e)
{
	struct pki_audit_row row = { .name = "", .serial = "", .why = "" };
	char from[48];

	if (about != NULL)
		row = *about;
	row.at = clock_wall();
	row.what = what;
	row.protocol = "cli";
	row.from = from_text(from);
	row.who = who;
	row.name = row.name == NULL ? "" : row.name;
	row.serial = row.serial == NULL ? "" : row.serial;
	row.why = row.why == NULL ? "" : row.why;
	return pki_audit_add(s, &row, e);
}
