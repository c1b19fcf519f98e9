#include "decode_doc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/out.h"

#define NS 1000000000u

void
doc_init(struct doc *d, FILE *f, bool json)
{
	*d = (struct doc){ .f = f, .json = json };
	d->bold = !json && isatty(fileno(f)) && getenv("NO_COLOR") == NULL;
}

void
doc_begin(struct doc *d)
{
	d->depth = 0;
	d->comma = false;
	if (d->json)
		fputc('{', d->f);
}

void
doc_end(struct doc *d)
{
	if (d->json)
		fputc('}', d->f);
	fputc('\n', d->f);
	d->depth = 0;
	d->comma = false;
}

void
doc_line(struct doc *d, const char *fmt, ...)
{
	va_list ap;

	if (d->json)
		return;
	if (d->comma)
		fputc('\n', d->f);
	d->comma = true;
	fprintf(d->f, "%*s", (int)d->depth * 4, "");
	if (d->bold && d->depth == 0)
		fputs("\033[1m", d->f);
	va_start(ap, fmt);
	vfprintf(d->f, fmt, ap);
	va_end(ap);
	if (d->bold && d->depth == 0)
		fputs("\033[0m", d->f);
}

void
doc_more(struct doc *d, const char *fmt, ...)
{
	va_list ap;

	if (d->json)
		return;
	va_start(ap, fmt);
	vfprintf(d->f, fmt, ap);
	va_end(ap);
}

void
doc_in(struct doc *d)
{
	d->depth++;
}

void
doc_out(struct doc *d)
{
	d->depth--;
}

/* Comma and key of a JSON member; false when this is no JSON. */
static bool
member(struct doc *d, const char *key)
{
	if (!d->json)
		return false;
	if (d->comma)
		fputc(',', d->f);
	d->comma = true;
	if (key != NULL) {
		json_text(d->f, key, strlen(key));
		fputc(':', d->f);
	}
	return true;
}

static void
bracket(struct doc *d, const char *key, char c)
{
	if (!member(d, key))
		return;
	fputc(c, d->f);
	d->comma = false;
}

static void
bracket_end(struct doc *d, char c)
{
	if (!d->json)
		return;
	fputc(c, d->f);
	d->comma = true;
}

void
doc_open(struct doc *d, const char *key)
{
	bracket(d, key, '{');
}

void
doc_close(struct doc *d)
{
	bracket_end(d, '}');
}

void
doc_list(struct doc *d, const char *key)
{
	bracket(d, key, '[');
}

void
doc_list_end(struct doc *d)
{
	bracket_end(d, ']');
}

void
doc_num(struct doc *d, const char *key, uint64_t v)
{
	if (member(d, key))
		fprintf(d->f, "%" PRIu64, v);
}

void
doc_bool(struct doc *d, const char *key, bool v)
{
	if (member(d, key))
		fputs(v ? "true" : "false", d->f);
}

void
doc_text(struct doc *d, const char *key, const char *v)
{
	if (member(d, key))
		json_text(d->f, v, strlen(v));
}

void
doc_octets(struct doc *d, const char *key, struct rbuf v)
{
	if (member(d, key))
		json_text(d->f, v.p, rbuf_left(&v));
}

void
doc_hex(struct doc *d, const char *key, struct rbuf v)
{
	if (!member(d, key))
		return;
	fputc('"', d->f);
	while (rbuf_left(&v) > 0)
		fprintf(d->f, "%02x", rbuf_u8(&v));
	fputc('"', d->f);
}

void
doc_spi(struct doc *d, const char *key, uint64_t v, int digits)
{
	if (member(d, key))
		fprintf(d->f, "\"%0*" PRIx64 "\"", digits, v);
}

void
doc_addr(struct doc *d, const char *key, const struct addr *v)
{
	struct addr_buf b;

	doc_text(d, key, addr_text(v, &b));
}

void
doc_endpoint(struct doc *d, const char *key, const struct endpoint *v)
{
	struct addr_buf b;

	if (v->port == 0)
		doc_addr(d, key, &v->addr);
	else
		doc_text(d, key, endpoint_text(v, &b));
}

void
doc_name(struct doc *d, const char *key, const struct name *names, uint32_t v)
{
	struct name_buf b;

	doc_text(d, key, name_text(names, v, &b));
}

void
doc_time(struct doc *d, const char *key, uint64_t ns)
{
	time_t t = (time_t)(ns / NS);
	struct tm tm;
	char day[32] = "";

	if (!d->json || gmtime_r(&t, &tm) == NULL)
		return;
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	if (member(d, key))
		fprintf(d->f, "\"%s.%06uZ\"", day,
		    (unsigned)(ns % NS / 1000));
}

const char *
doc_clock(uint64_t ns, struct doc_clock *b)
{
	time_t t = (time_t)(ns / NS);
	struct tm tm;
	char hms[16] = "";

	if (localtime_r(&t, &tm) != NULL)
		strftime(hms, sizeof(hms), "%H:%M:%S", &tm);
	snprintf(b->s, sizeof(b->s), "%s.%06u", hms,
	    (unsigned)(ns % NS / 1000));
	return b->s;
}
