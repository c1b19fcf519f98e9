#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/date.h"
#include "base/text.h"
#include "crypto/cert.h"
#include "pki_file.h"
#include "pki_name.h"
#include "sys/loop.h"

#define PASS_MAX	1024
#define PASS_OPTION	"--passphrase-file"

/* Ends in NUL, as OpenSSL wants passphrases. */
static struct secret *
pass_new(const void *text, size_t len)
{
	struct secret *s = secret_new(len + 1);

	if (s != NULL) {
		memcpy(s->b, text, len);
		s->len = len;
	}
	return s;
}

struct secret *
cmd_passphrase(const char *file, struct err *e)
{
	struct secret *text = pki_file_read(file, true, PASS_MAX, e), *pass;
	size_t len;

	if (text == NULL)
		return NULL;
	len = strcspn((char *)text->b, "\r\n");
	if (len == 0)
		pass = err_null(err_set(e, EINVAL, "%s: its first line is "
		    "empty", file));
	else if ((pass = pass_new(text->b, len)) == NULL)
		err_set(e, ENOMEM, "passphrase");
	secret_free(text);
	return pass;
}

static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };
#define N_ENDS (sizeof(ends) / sizeof(ends[0]))

static volatile sig_atomic_t ended;

static void
on_end(int signo)
{
	ended = signo;
}

struct before {
	struct sigaction	actions[N_ENDS];
	sigset_t		mask;
};

/* They come while we wait in answer_comes, and at no other time. */
static void
catch_ends(struct before *was)
{
	const struct sigaction mine = { .sa_handler = on_end };
	sigset_t set;
	size_t i;

	ended = 0;
	sigemptyset(&set);
	for (i = 0; i < N_ENDS; i++)
		(void)sigaddset(&set, ends[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &was->mask);
	for (i = 0; i < N_ENDS; i++)
		(void)sigaction(ends[i], &mine, &was->actions[i]);
}

static bool
answer_comes(int tty, const struct before *was)
{
	struct pollfd p = { .fd = tty, .events = POLLIN };

	return ppoll(&p, 1, NULL, &was->mask) == 1;
}

static void
let_end(const struct before *was)
{
	size_t i;

	for (i = 0; i < N_ENDS; i++)
		(void)sigaction(ends[i], &was->actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &was->mask, NULL);
	if (ended != 0)
		(void)raise(ended);
}

/* A line from the terminal that is not shown; whoever ends us there finds his
 * terminal as it was. */
static int
ask_once(int tty, const char *prompt, char *out, size_t out_len)
{
	struct before was;
	struct termios old, quiet;
	ssize_t n;

	if (tcgetattr(tty, &old) < 0)
		return -1;
	catch_ends(&was);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* What was typed before is thrown away, so the prompt comes after. */
	(void)tcsetattr(tty, TCSAFLUSH, &quiet);
	dprintf(tty, "%s: ", prompt);
	n = answer_comes(tty, &was) ? read(tty, out, out_len - 1) : -1;
	(void)tcsetattr(tty, TCSAFLUSH, &old);
	dprintf(tty, "\n");
	let_end(&was);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return n > 0 && out[0] != '\0' ? 0 : -1;
}

struct secret *
cmd_passphrase_ask(const char *what, const char *option, bool twice,
    struct err *e)
{
	char a[PASS_MAX], b[PASS_MAX], prompt[160];
	struct secret *pass = NULL;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty < 0)
		return err_null(err_set(e, EACCES, "%s: a passphrase is "
		    "wanted: %s", what, option));
	snprintf(prompt, sizeof(prompt), "passphrase for %s", what);
	if (ask_once(tty, prompt, a, sizeof(a)) < 0)
		err_set(e, EACCES, "%s: no passphrase given", what);
	else if (twice && (ask_once(tty, "again", b, sizeof(b)) < 0 ||
	    strcmp(a, b) != 0))
		err_set(e, EACCES, "%s: the two differ", what);
	else if ((pass = pass_new(a, strlen(a))) == NULL)
		err_set(e, ENOMEM, "passphrase");
	secret_wipe(a, sizeof(a));
	secret_wipe(b, sizeof(b));
	close(tty);
	return pass;
}

int
cmd_bundle(struct pki_bundle *b, const char *path, const char *pass_file,
    struct secret **used, struct err *e)
{
	struct secret *pass = NULL;
	int rc;

	if (pass_file != NULL && (pass = cmd_passphrase(pass_file, e)) == NULL)
		return -1;
	rc = pki_bundle_read(b, path, pass, e);
	if (rc < 0 && e->code == EACCES && pass_file == NULL &&
	    strcmp(path, "-") != 0 &&
	    (pass = cmd_passphrase_ask(path, PASS_OPTION, false, e)) != NULL) {
		pki_bundle_fini(b);
		rc = pki_bundle_read(b, path, pass, e);
	}
	if (used != NULL && rc == 0) {
		*used = pass;
		pass = NULL;
	}
	secret_free(pass);
	return rc;
}

const char *
cmd_name_file(const char *text, char name[64], struct err *e)
{
	const char *eq = strchr(text, '='), *slash = strchr(text, '/');

	if (eq == NULL || (slash != NULL && slash < eq))
		return pki_name_of_file(text, name, e) < 0 ? NULL : text;
	if (eq - text > PKI_NAME_MAX)
		return err_null(err_set(e, EINVAL, "name of over 63 octets"));
	snprintf(name, 64, "%.*s", (int)(eq - text), text);
	return pki_name_check(name, e) < 0 ? NULL : eq + 1;
}

int
cmd_load_make(const struct load_what *what, struct pki_bundle *b,
    struct pki_load *m, struct err *e)
{
	size_t i;
	int rc;

	memset(m, 0, sizeof(*m));
	rc = what->psk ? pki_bundle_psk(b, what->file, e) :
	    cmd_bundle(b, what->file, what->pass_file, NULL, e);
	for (i = 0; rc == 0 && what->trust != NULL && i < what->trust->n; i++)
		rc = pki_bundle_trust(b, what->trust->v[i], e);
	if (rc < 0 || pki_bundle_load(b, what->name, m, e) < 0)
		return -1;
	m->pss = what->pss;
	if (what->id != NULL && text_copy(m->id, sizeof(m->id), what->id,
	    e) < 0)
		return err_in(e, "--id");
	if (what->peer_id != NULL && text_copy(m->peer_id, sizeof(m->peer_id),
	    what->peer_id, e) < 0)
		return err_in(e, "--peer-id");
	return 0;
}

int
cmd_time_parse(const char *text, int64_t *t, struct err *e)
{
	struct tm tm = { .tm_mday = 0 };
	const char *end;
	struct tm real;

	if (strcmp(text, "now") == 0) {
		*t = clock_wall();
		return 0;
	}
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end == NULL || *end != '\0') {
		memset(&tm, 0, sizeof(tm));
		end = strptime(text, "%Y-%m-%d", &tm);
	}
	*t = date_seconds(&tm);
	/* there is no 31st of February, whatever is made of it */
	return end != NULL && *end == '\0' && date_split(*t, &real) &&
	    real.tm_mday == tm.tm_mday ? 0 :
	    err_set(e, EINVAL, "\"%s\" is not a time such as "
	    "2026-11-23T12:00:00Z or 2026-11-23", text);
}

bool
cmd_is_file(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 && !S_ISDIR(st.st_mode);
}

int
cmd_certs_read(struct cert_set *s, const char *path, struct err *e)
{
	struct secret *text = pki_file_read(path, false, CERT_PEM_MAX, e);
	int rc;

	if (text == NULL)
		return -1;
	rc = text->len > 0 && text->b[0] == 0x30 ?
	    cert_set_add_der(s, rbuf_of(text->b, text->len), e) :
	    cert_set_add_pem(s, (char *)text->b, text->len, e);
	secret_free(text);
	return rc < 0 ? err_in(e, "%s", path) : 0;
}
