#include "pki_index.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/date.h"
#include "pki_issue.h"
#include "pki_name.h"

#define FIELDS	6
#define HEX	"0123456789abcdefABCDEF"

/* As openssl ca writes them. */
static const struct {
	const char	*theirs, *ours;
} reasons[] = {
	{ "unspecified", "unspecified" },
	{ "keyCompromise", "key-compromise" },
	{ "CACompromise", "ca-compromise" },
	{ "affiliationChanged", "affiliation-changed" },
	{ "superseded", "superseded" },
	{ "cessationOfOperation", "cessation" },
	{ "certificateHold", PKI_HOLD },
	{ "holdInstruction", PKI_HOLD },	/* and which one */
};

/* "261123120000Z" (RFC 5280, 4.1.2.5.1: below 50 is 20xx) or with a year of
 * four digits. */
static int
parse_time(const char *text, int64_t *t, struct err *e)
{
	size_t n = strspn(text, "0123456789");
	struct tm tm = { .tm_isdst = 0 }, real;
	int d[14] = { 0 }, i, k = 0;

	if ((n != 12 && n != 14) || strcmp(text + n, "Z") != 0)
		return err_set(e, EBADMSG, "a time that is none");
	for (i = 0; i < (int)n; i++)
		d[i] = text[i] - '0';
	if (n == 14) {
		tm.tm_year = d[0] * 1000 + d[1] * 100 + d[2] * 10 + d[3] - 1900;
		k = 4;
	} else {
		tm.tm_year = d[0] * 10 + d[1];
		tm.tm_year += tm.tm_year < 50 ? 100 : 0;
		k = 2;
	}
	tm.tm_mon = d[k] * 10 + d[k + 1] - 1;
	tm.tm_mday = d[k + 2] * 10 + d[k + 3];
	tm.tm_hour = d[k + 4] * 10 + d[k + 5];
	tm.tm_min = d[k + 6] * 10 + d[k + 7];
	tm.tm_sec = d[k + 8] * 10 + d[k + 9];
	*t = date_seconds(&tm);
	/* there is no 31st of February, whatever is made of it */
	return date_split(*t, &real) &&
	    tm.tm_mon == real.tm_mon && tm.tm_mday == real.tm_mday &&
	    tm.tm_hour == real.tm_hour && tm.tm_min == real.tm_min &&
	    tm.tm_sec == real.tm_sec ? 0 :
	    err_set(e, EBADMSG, "a time that is none");
}

/* "261123120000Z" or "261123120000Z,keyCompromise" */
static int
parse_revoked(char *text, struct pki_index_row *row, struct err *e)
{
	char *comma = strchr(text, ',');
	size_t i;

	if (comma != NULL)
		*comma++ = '\0';
	if (parse_time(text, &row->revoked, e) < 0)
		return -1;
	for (i = 0; comma != NULL &&
	    i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strlen(reasons[i].theirs) == strcspn(comma, ",") &&
		    strncmp(comma, reasons[i].theirs, strcspn(comma, ",")) == 0)
			snprintf(row->why, sizeof(row->why), "%s",
			    reasons[i].ours);
	if (row->why[0] == '\0')
		snprintf(row->why, sizeof(row->why), "unspecified");
	return 0;
}

/* Serial numbers of ours are whole octets without a zero octet before. */
static int
parse_serial(const char *text, struct pki_index_row *row, struct err *e)
{
	size_t i, n = strlen(text);
	const char *p = text;

	if (n == 0 || n > 40 || strspn(text, HEX) != n)
		return err_set(e, EBADMSG, "a serial number that is none");
	snprintf(row->number, sizeof(row->number), "%s", text);
	while (n > 2 && p[0] == '0' && (n % 2 == 1 || p[1] == '0')) {
		p += n % 2 == 1 ? 1 : 2;
		n -= n % 2 == 1 ? 1 : 2;
	}
	snprintf(row->serial, sizeof(row->serial), "%s%s", n % 2 == 1 ?
	    "0" : "", p);
	for (i = 0; row->serial[i] != '\0'; i++)
		row->serial[i] = (char)tolower((unsigned char)row->serial[i]);
	return 0;
}

void
pki_index_name(const char *text, const char *serial, char out[64])
{
	size_t n = 0, i;

	for (i = 0; text[i] != '\0' && n < PKI_NAME_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c < 0x80 && isalnum(c);

		if (n == 0 && !plain)
			continue;
		plain = plain || c == '-' || c == '_' ||
		    (c == '.' && out[n - 1] != '.');
		out[n++] = (char)(plain ? c : '_');
	}
	out[n] = '\0';
	if (n == 0)
		snprintf(out, 64, "serial-%s", serial);
}

/* "/O=x/CN=y/..." */
static void
name_of(char *subject, struct pki_index_row *row)
{
	char *cn = strstr(subject, "/CN="), *end;

	if (cn != NULL) {
		cn += 4;
		if ((end = strchr(cn, '/')) != NULL)
			*end = '\0';
	}
	pki_index_name(cn == NULL ? "" : cn, row->serial, row->name);
}

int
pki_index_parse(char *text, struct pki_index_row *row, struct err *e)
{
	char *field[FIELDS], *p = text;
	int i;

	memset(row, 0, sizeof(*row));
	for (i = 0; i < FIELDS; i++) {
		field[i] = p;
		if (i + 1 == FIELDS)
			break;
		if ((p = strchr(p, '\t')) == NULL)
			return err_set(e, EBADMSG, "not six fields between "
			    "tabs");
		*p++ = '\0';
	}
	if (strlen(field[0]) != 1 || strchr("VRE", field[0][0]) == NULL)
		return err_set(e, EBADMSG, "it begins with none of V, R, E");
	if (parse_time(field[1], &row->to, e) < 0 ||
	    parse_serial(field[3], row, e) < 0 || (field[0][0] == 'R' &&
	    parse_revoked(field[2], row, e) < 0))
		return -1;
	name_of(field[5], row);
	return 0;
}
