#include "decode_doc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/date.h"
#include "base/text.h"
#include "sys/out.h"

#define NS 1000000000u

void
doc_init(struct doc *d, FILE *f, bool json)
{
	*d = (struct doc){ .f = f, .json = json };
	d->bold = !json && isatty(fileno(f)) && getenv("NO_COLOR") == NULL;
	d->folds = !json && out_width(f) > 0;
}

/* The end of a line; where it is too long for the terminal, it is folded. */
static void
line_end(struct doc *d)
{
	size_t indent = strspn(d->line, " ") + 4;

	if (d->at == 0) {
		fputc('\n', d->f);
		return;
	}
	if (d->bold && indent == 4)
		fputs("\033[1m", d->f);
	out_fold(d->f, d->line, indent);
	if (d->bold && indent == 4)
		fputs("\033[0m", d->f);
	d->at = 0;
}

static void line_add(struct doc *d, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void line_put(struct doc *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
line_add(struct doc *d, const char *fmt, va_list ap)
{
	size_t room = sizeof(d->line) - d->at;
	va_list again;
	int n;

	va_copy(again, ap);
	n = d->folds ? vsnprintf(d->line + d->at, room, fmt, ap) : -1;
	if (n >= 0 && (size_t)n < room)
		d->at += (size_t)n;
	else {			/* as it is */
		if (d->at > 0)
			fwrite(d->line, 1, d->at, d->f);
		d->at = 0;
		vfprintf(d->f, fmt, again);
	}
	va_end(again);
}

static void
line_put(struct doc *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_add(d, fmt, ap);
	va_end(ap);
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
		fputs("}\n", d->f);
	else
		line_end(d);
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
		line_end(d);
	d->comma = true;
	line_put(d, "%*s", (int)d->depth * 4, "");
	va_start(ap, fmt);
	line_add(d, fmt, ap);
	va_end(ap);
}

void
doc_more(struct doc *d, const char *fmt, ...)
{
	va_list ap;

	if (d->json)
		return;
	va_start(ap, fmt);
	line_add(d, fmt, ap);
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
	struct tm tm;
	char day[32] = "";

	if (!d->json || !date_split((int64_t)(ns / NS), &tm))
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
