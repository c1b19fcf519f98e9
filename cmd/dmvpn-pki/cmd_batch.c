#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd_issue.h"
#include "pki_file.h"
#include "pki_key.h"
#include "pki_words.h"
#include "sys/loop.h"

#define CHUNK		1000	/* certificates of one transaction */
#define CHUNK_MS	500	/* or so long: slow keys */
#define TURN_MS		120	/* then others have a turn: who waits for SQLite
				 * looks every 100 ms */
#define TEXT_MAX	(64u << 20)
#define BAR		30
#define BAR_EVERY	100	/* ms */

/* Written beside its place, recorded, not committed. */
struct pending {
	struct pki_file	*file;
	char		 path[1024];
	char		 name[64], serial[48];
	size_t		 line;
};

struct batch {
	struct cmd_ca		 ca;
	const struct issue_opts	*base;
	const char		*path;
	char			 organisation[64];
	size_t			 line, lines;	/* read, and of the file */
	size_t			 done, failed;
	uint64_t		 began, drawn;	/* ms */
	uint64_t		 opened;	/* ms; this transaction */
	size_t			 n;
	struct pending		 v[CHUNK];
};

/* ------------------------------------------------------------------ to tell */

static void
draw(struct batch *b, bool last)
{
	uint64_t now = clock_ms(), ms = now - b->began;
	size_t full = b->lines == 0 ? BAR : b->line * BAR / b->lines, i;

	if (!isatty(STDERR_FILENO) ||
	    (!last && now - b->drawn < BAR_EVERY))
		return;
	b->drawn = now;
	fprintf(stderr, "\r[");
	for (i = 0; i < BAR; i++)
		fputc(i < full ? '#' : ' ', stderr);
	fprintf(stderr, "] %zu/%zu  %llu/s%s", b->line, b->lines,
	    (unsigned long long)(ms == 0 ? 0 : b->done * 1000 / ms),
	    last ? "\n" : "");
}

static void
line_failed(struct batch *b, size_t line, const struct err *e)
{
	b->failed++;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	fprintf(stderr, "%s:%zu: %s\n", b->path, line, e->msg);
}

/* ----------------------------------------------------------------- one chunk */

static void
forget(struct batch *b)
{
	while (b->n > 0)
		pki_file_end(b->v[--b->n].file);
}

static bool
same_dir(const char *a, const char *b)
{
	const char *x = strrchr(a, '/'), *y = strrchr(b, '/');

	return (x == NULL && y == NULL) || (x != NULL && y != NULL &&
	    x - a == y - b && memcmp(a, b, (size_t)(x - a)) == 0);
}

/* Nobody else can revoke while we hold the store. */
static int
open_chunk(struct batch *b, bool slow, struct err *e)
{
	const struct timespec turn = { .tv_nsec = TURN_MS * 1000000L };

	if (slow)
		(void)nanosleep(&turn, NULL);
	b->opened = clock_ms();
	return pki_store_begin(b->ca.store, e);
}

/* The files' octets first, all at once; then the rows, then the files in place:
 * no certificate that the store does not know.  A file that can not be put in
 * place takes its row with it. */
static int
flush(struct batch *b, struct err *e)
{
	struct err one = { 0 };
	bool slow = clock_ms() - b->opened > CHUNK_MS;
	size_t i;
	int rc = 0;

	for (i = 0; i < b->n && rc == 0; i++)
		if (i + 1 == b->n || !same_dir(b->v[i].path,
		    b->v[i + 1].path))
			rc = pki_file_sync_all(b->v[i].path, e);
	if (rc < 0 || pki_store_commit(b->ca.store, e) < 0) {
		b->failed += b->n;
		forget(b);
		return -1;
	}
	for (i = 0; i < b->n; i++) {
		if (pki_file_place(b->v[i].file, &one) == 0) {
			b->done++;
			continue;
		}
		line_failed(b, b->v[i].line, &one);
		cmd_issue_undo(&b->ca, b->v[i].name, b->v[i].serial);
	}
	for (i = 0; i < b->n; i++)
		if (i + 1 == b->n || !same_dir(b->v[i].path,
		    b->v[i + 1].path))
			rc = pki_file_settle(b->v[i].path, e) < 0 ? -1 : rc;
	forget(b);
	return rc < 0 ? -1 : open_chunk(b, slow, e);
}

/* ------------------------------------------------------------------ one line */

/* The words of the line, over what the command line says.  What getopt says
 * goes to standard error by itself. */
static int
parse(const struct batch *b, int argc, char **argv, struct issue_opts *o,
    const char **name, struct err *e)
{
	const struct opt opts[] = { ISSUE_OPTS(*o), ISSUE_KEY_OPTS(*o),
	    OPT_END };
	int status;

	*o = *b->base;
	o->store = o->pass_file = NULL;
	if (opt_parse(&argc, &argv, opts, "[OPTIONS] NAME", 1, 1,
	    &status) < 0)
		return err_set(e, EINVAL, "not options and a NAME");
	if (o->encrypt)
		return err_set(e, EINVAL, "nobody is asked: "
		    "--key-passphrase-file");
	if (o->store != NULL || o->pass_file != NULL)
		return err_set(e, EINVAL, "--store and --passphrase-file "
		    "stand on the command line");
	if (o->out != NULL && strcmp(o->out, "-") == 0)
		return err_set(e, EINVAL, "--out wants a file");
	*name = argv[0];
	return 0;
}

static int
keep(struct batch *b, const struct issue_opts *o, const struct pki_want *w,
    const char *serial, const struct secret *pem, struct err *e)
{
	struct pending *p = &b->v[b->n];

	memcpy(p->serial, serial, sizeof(p->serial));
	snprintf(p->name, sizeof(p->name), "%s", w->name);
	p->line = b->line;
	if ((o->out != NULL ? snprintf(p->path, sizeof(p->path), "%s", o->out) :
	    snprintf(p->path, sizeof(p->path), "%s.pem", w->name)) >=
	    (int)sizeof(p->path))
		return err_set(e, ENAMETOOLONG, "name of the file");
	p->file = pki_file_write_lazily(p->path, 0600, o->force, pem->b,
	    pem->len, e);
	if (p->file == NULL)
		return -1;
	b->n++;
	return 0;
}

static int
issue(struct batch *b, const struct issue_opts *o, struct pki_want *w,
    struct err *e)
{
	EVP_PKEY *key = pki_key_make(o->type != NULL ? o->type :
	    w->profile->key_type, e);
	struct secret *pem = NULL, *pass = NULL;
	char serial[48];
	X509 *x = NULL;
	int rc = -1;

	if (key != NULL && (o->key_pass == NULL ||
	    (pass = cmd_passphrase(o->key_pass, e)) != NULL))
		x = cmd_issue_make(&b->ca, w, key, serial, e);
	if (x != NULL && ((pem = cmd_issue_bundle(&b->ca, x, key, pass,
	    e)) == NULL || (rc = keep(b, o, w, serial, pem, e)) < 0))
		cmd_issue_undo(&b->ca, w->name, serial);
	X509_free(x);
	EVP_PKEY_free(key);
	secret_free(pem);
	secret_free(pass);
	return rc;
}

/* 0, also when the line was refused; -1: the system failed. */
static int
do_line(struct batch *b, char *text, struct err *e)
{
	char *argv[PKI_WORDS_MAX + 1];
	struct pki_want w = { .n_sans = 0 };
	struct issue_opts o;
	int argc;

	err_clear(e);
	argv[0] = (char *)(uintptr_t)command_program();
	w.organisation = b->organisation[0] != '\0' ? b->organisation : NULL;
	if ((argc = pki_words_split(text, argv, e)) == 0)
		return 0;
	if (argc > 0 && parse(b, argc, argv, &o, &w.name, e) == 0 &&
	    cmd_issue_take(&w, &o, e) == 0 && issue(b, &o, &w, e) == 0)
		return b->n == CHUNK || clock_ms() - b->opened > CHUNK_MS ?
		    flush(b, e) : 0;
	if (cmd_status_of(e) == EXIT_SYSTEM)
		return err_in(e, "%s:%zu", b->path, b->line);
	line_failed(b, b->line, e);
	return 0;
}

static int
do_lines(struct batch *b, char *text, struct err *e)
{
	char *line;

	while ((line = pki_words_line(&text)) != NULL) {
		b->line++;
		if (do_line(b, line, e) < 0)
			return -1;
		draw(b, false);
	}
	return flush(b, e);
}

static size_t
count_lines(const char *text, size_t len)
{
	size_t n = len > 0 && text[len - 1] != '\n', i;

	for (i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

int
cmd_batch(const struct issue_opts *base, const char *path)
{
	static struct batch b;
	struct err e = { 0 };
	struct secret *text = pki_file_read(path, false, TEXT_MAX, &e);
	uint64_t ms;
	int rc = -1;

	if (text == NULL)
		return command_fail(cmd_input_status(&e), &e);
	b = (struct batch){ .base = base, .path = path,
	    .lines = count_lines((char *)text->b, text->len),
	    .began = clock_ms(), .ca = { .command = "issue --batch" } };
	if (memchr(text->b, '\0', text->len) != NULL)
		err_set(&e, EINVAL, "%s: not text", path);
	else if (cmd_ca_open(&b.ca, base->store, &e) == 0 &&
	    cmd_ca_unlock(&b.ca, base->pass_file, &e) == 0) {
		b.opened = clock_ms();
		(void)cmd_ca_organisation(&b.ca, b.organisation,
		    sizeof(b.organisation));
		rc = do_lines(&b, (char *)text->b, &e);
		draw(&b, true);
		ms = clock_ms() - b.began;
		fprintf(stderr, "%zu issued, %zu refused, in %llu.%llu s "
		    "(%llu a second)\n", b.done, b.failed,
		    (unsigned long long)(ms / 1000),
		    (unsigned long long)(ms % 1000 / 100),
		    (unsigned long long)(b.done * 1000 / (ms > 0 ? ms : 1)));
	}
	forget(&b);
	cmd_ca_close(&b.ca);
	secret_free(text);
	if (rc < 0)
		return command_fail(cmd_status_of(&e), &e);
	return b.failed > 0 ? EXIT_NO : EXIT_OK;
}
