#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utlist.h>

#include "sys/out.h"

#define COLUMNS_MAX	16
#define CELL_MAX	128
#define FOLDED		4	/* where further lines of a record begin */

struct cell {
	struct cell	*prev, *next;
	char		 text[];
};

struct table {
	size_t		 columns, cells;
	size_t		 width[COLUMNS_MAX];
	bool		 right[COLUMNS_MAX];
	const char	*header[COLUMNS_MAX];
	struct cell	*first;
	bool		 hidden[COLUMNS_MAX], ends[COLUMNS_MAX];
	size_t		 last;		/* column that ends a record */
	bool		 failed;	/* out of memory */
};

#define WIDTH_MIN	40	/* narrower terminals are not believed */

/* Columns that len octets take: those that do not continue a character, and
 * are in no colour sequence. */
static size_t
width_of_n(const char *text, size_t len)
{
	bool colour = false;
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (text[i] == '\033')
			colour = true;
		else if (colour)
			colour = text[i] != 'm';
		else if (((unsigned char)text[i] & 0xc0) != 0x80)
			n++;
	}
	return n;
}

static size_t
width_of(const char *text)
{
	return width_of_n(text, strlen(text));
}

size_t
out_width(FILE *f)
{
	struct winsize w;

	if (!isatty(fileno(f)) || ioctl(fileno(f), TIOCGWINSZ, &w) < 0 ||
	    w.ws_col < WIDTH_MIN)
		return 0;
	return w.ws_col;
}

void
out_fold(FILE *f, const char *line, size_t indent)
{
	size_t width = out_width(f), at = 0, n;

	while (*line != '\0') {
		n = strspn(line, " ");
		n += strcspn(line + n, " ");
		if (width > 0 && at > indent &&
		    at + width_of_n(line, n) > width) {
			fprintf(f, "\n%*s", (int)indent, "");
			n -= strspn(line, " ");
			line += strspn(line, " ");
			at = indent;
		}
		fwrite(line, 1, n, f);
		at += width_of_n(line, n);
		line += n;
	}
	putc('\n', f);
}

struct table *
table_new(const char *const *headers)
{
	struct table *t = (struct table *)calloc(1, sizeof(*t));
	size_t i;

	for (i = 0; t != NULL && headers[i] != NULL && i < COLUMNS_MAX; i++) {
		t->right[i] = headers[i][0] == '>';
		t->header[i] = headers[i] + (t->right[i] ? 1 : 0);
		t->width[i] = width_of(t->header[i]);
		t->columns++;
	}
	return t;
}

void
table_cell(struct table *t, const char *fmt, ...)
{
	char text[CELL_MAX];
	struct cell *c;
	size_t n, column;
	va_list ap;

	if (t == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (text[0] == '\0')
		memcpy(text, "-", 2);
	n = strlen(text) + 1;
	if ((c = (struct cell *)malloc(sizeof(*c) + n)) == NULL) {
		t->failed = true;
		return;
	}
	memcpy(c->text, text, n);
	DL_APPEND(t->first, c);
	column = t->cells++ % t->columns;
	if (width_of(text) > t->width[column])
		t->width[column] = width_of(text);
}

static void
print_cell(const struct table *t, FILE *f, size_t column, const char *text)
{
	size_t pad = t->width[column] - width_of(text);

	if (t->hidden[column])
		return;
	if (t->right[column])
		fprintf(f, "%*s", (int)pad, "");
	fputs(text, f);
	if (t->ends[column])
		fprintf(f, "\n%*s", column == t->last ? 0 : FOLDED, "");
	else
		fprintf(f, "%*s", (t->right[column] ? 0 : (int)pad) + 2, "");
}

/* Columns in which nobody has anything are left out. */
static void
hide_empty(struct table *t)
{
	const struct cell *c;
	size_t i = 0;

	if (t->first == NULL)
		return;
	memset(t->hidden, true, sizeof(t->hidden));
	DL_FOREACH(t->first, c) {
		if (strcmp(c->text, "-") != 0)
			t->hidden[i] = false;
		i = (i + 1) % t->columns;
	}
}

static size_t
whole_width(const struct table *t)
{
	size_t i, n = 0;

	for (i = 0; i < t->columns; i++)
		if (!t->hidden[i])
			n += t->width[i] + 2;
	return n - 2;
}

/* Where lines end: one for a record, or, on a terminal (width > 0) that is
 * too narrow, so many that each fits. */
static void
lay_out(struct table *t, size_t width)
{
	size_t i, at = 0;

	if (width > 0 && whole_width(t) > width)
		hide_empty(t);
	for (i = 0; i < t->columns; i++) {
		if (t->hidden[i])
			continue;
		if (width > 0 && at > FOLDED && at + t->width[i] > width) {
			t->ends[t->last] = true;
			at = FOLDED;
		}
		at += t->width[i] + 2;
		t->last = i;
	}
	t->ends[t->last] = true;
}

int
table_print(struct table *t, FILE *f, struct err *e)
{
	bool bold = t != NULL && isatty(fileno(f));
	const struct cell *c;
	size_t i;
	int rc;

	if (t == NULL || t->failed) {
		table_free(t);
		return err_set(e, ENOMEM, "table: out of memory");
	}
	lay_out(t, out_width(f));
	for (i = 0; i < t->columns; i++) {
		if (bold && i == 0)
			fputs("\033[1m", f);
		print_cell(t, f, i, t->header[i]);
	}
	if (bold)
		fputs("\033[0m", f);
	i = 0;
	DL_FOREACH(t->first, c)
		print_cell(t, f, i++ % t->columns, c->text);
	rc = ferror(f) ? err_sys(e, "write") : 0;
	table_free(t);
	return rc;
}

void
table_free(struct table *t)
{
	struct cell *c, *next;

	if (t == NULL)
		return;
	DL_FOREACH_SAFE(t->first, c, next)
		free(c);
	free(t);
}

const char *
human_bytes(uint64_t n, char b[16])
{
	static const char units[] = " kMGTPE";
	double v = (double)n;
	size_t i = 0;

	while (v >= 999.5 && units[i + 1] != '\0') {
		v /= 1000;
		i++;
	}
	if (i == 0)
		snprintf(b, 16, "%u", (unsigned)n);
	else
		snprintf(b, 16, v < 9.95 ? "%.1f %c" : "%.0f %c", v,
		    units[i]);
	return b;
}

/* The two largest units. */
const char *
human_time(uint64_t s, char b[16])
{
	unsigned long long d = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;

	if (d > 9999)
		snprintf(b, 16, "%llu d", d % 100000000);
	else if (d > 0)
		snprintf(b, 16, "%llu d %llu h", d, h);
	else if (h > 0)
		snprintf(b, 16, "%llu h %llu min", h, m);
	else if (m > 0)
		snprintf(b, 16, "%llu min %llu s", m,
		    (unsigned long long)s % 60);
	else
		snprintf(b, 16, "%llu s", (unsigned long long)s);
	return b;
}
