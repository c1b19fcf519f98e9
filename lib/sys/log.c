#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/name.h"
#include "base/text.h"
#include "msg/types.h"
#include "sys/loop.h"

#define LINE_MAX_OCTETS	2048
#define RATE_IDS	64	/* ids whose rate is watched at once */
#define RATE_LINES	10	/* a second for one id */

static const struct name levels[] = {
	{ LEVEL_ERROR, "error" }, { LEVEL_WARN, "warn" },
	{ LEVEL_INFO, "info" }, { LEVEL_DEBUG, "debug" }, NAME_END,
};

struct rate {
	char		 id[48];	/* "": free */
	uint64_t	 second;
	unsigned	 lines;
	uint64_t	 dropped;
};

static struct {
	const char	*program;
	enum log_level	 level;
	bool		 cbor;
	uint64_t	 lost;		/* a full pipe did not take */
	struct rate	 rates[RATE_IDS];
} log_state = { .program = "dmvpn", .level = LEVEL_INFO };

void
log_open(const char *program)
{
	const char *format = getenv("DMVPN_LOG");
	const char *level = getenv("DMVPN_LOG_LEVEL");
	uint32_t v;

	log_state.program = program;
	log_state.cbor = format != NULL && strcmp(format, "cbor") == 0;
	if (level != NULL && name_value(levels, level, &v) == 0)
		log_state.level = (enum log_level)v;
}

void
log_level(enum log_level level)
{
	log_state.level = level;
}

int
log_level_parse(const char *text, struct err *e)
{
	uint32_t v;

	if (name_value(levels, text, &v) < 0)
		return err_set(e, EINVAL, "log level \"%s\"; error, warn, "
		    "info and debug exist", text);
	log_state.level = (enum log_level)v;
	return 0;
}

/* The row of this id; the oldest one makes room. */
static struct rate *
rate_of(const char *id)
{
	struct rate *oldest = log_state.rates;
	size_t i;

	for (i = 0; i < RATE_IDS; i++) {
		struct rate *r = &log_state.rates[i];

		if (strcmp(r->id, id) == 0)
			return r;
		if (r->second < oldest->second)
			oldest = r;
	}
	memset(oldest, 0, sizeof(*oldest));
	(void)text_copy(oldest->id, sizeof(oldest->id), id, NULL);
	return oldest;
}

/* May this id have one more line?  *dropped: how many had not. */
static bool
rate_allows(const char *id, uint64_t *dropped)
{
	struct rate *r = rate_of(id);
	uint64_t second = clock_ms() / 1000;

	if (r->second != second) {
		r->second = second;
		r->lines = 0;
	}
	if (++r->lines > RATE_LINES) {
		r->dropped++;
		return false;
	}
	*dropped = r->dropped;
	r->dropped = 0;
	return true;
}

static void
put_str(struct wbuf *w, const char *text)
{
	size_t n = strlen(text), room = wbuf_room(w);

	wbuf_put(w, text, n < room ? n : room);
}

static bool
is_plain(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~' || *text == '"' ||
		    *text == '\\' || *text == '=')
			return false;
	return true;
}

static void
put_field(struct wbuf *w, const struct log_field *f)
{
	char text[512], number[32];
	const char *foreign = f->text != NULL ? f->text : "";

	put_str(w, " ");
	put_str(w, f->key);
	put_str(w, "=");
	if (f->kind == LOG_TEXT && is_plain(foreign)) {
		put_str(w, foreign);
		return;
	}
	if (f->kind == LOG_TEXT) {
		text_escape(foreign, strlen(foreign), text, sizeof(text));
		put_str(w, "\"");
		put_str(w, text);
		put_str(w, "\"");
		return;
	}
	snprintf(number, sizeof(number), f->kind == LOG_HEX ? "0x%llx" :
	    "%llu", (unsigned long long)f->value);
	put_str(w, number);
}

static void
put_count(struct wbuf *w, const char *key, uint64_t n)
{
	struct log_field f = { LOG_UINT, key, NULL, n };

	if (n > 0)
		put_field(w, &f);
}

const char *
log_time(char b[48])
{
	const char *format = getenv("DMVPN_LOG");
	struct timespec now;
	struct tm tm;
	char day[24];

	b[0] = '\0';
	if (format == NULL || strcmp(format, "time") != 0 ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0 ||
	    gmtime_r(&now.tv_sec, &tm) == NULL)
		return b;
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(b, 48, "%s.%03uZ ", day,
	    (unsigned)(now.tv_nsec / 1000000) % 1000);
	return b;
}

static void
render_text(struct wbuf *w, enum log_level level, const char *id,
    const struct log_field *f, uint64_t dropped)
{
	char stamp[48];

	put_str(w, log_time(stamp));
	put_str(w, log_state.program);
	put_str(w, ": ");
	put_str(w, name_find(levels, level));
	put_str(w, " ");
	put_str(w, id);
	for (; f->kind != LOG_END; f++)
		put_field(w, f);
	put_count(w, "suppressed", dropped);
	put_count(w, "lost", log_state.lost);
	if (wbuf_room(w) == 0)
		w->len--;
	wbuf_u8(w, '\n');
}

/* The fields are open, so they travel as texts under their keys. */
static void
render_cbor(struct wbuf *w, enum log_level level, const char *id,
    const struct log_field *f, uint64_t dropped)
{
	struct log_line m = { .at = clock_ms(), .suppressed = dropped,
		.lost = log_state.lost };

	(void)text_copy(m.program, sizeof(m.program), log_state.program,
	    NULL);
	(void)text_copy(m.level, sizeof(m.level), name_find(levels, level),
	    NULL);
	(void)text_copy(m.id, sizeof(m.id), id, NULL);
	for (; f->kind != LOG_END; f++) {
		struct log_value *v = &m.fields[m.n_fields];
		const char *foreign = f->text != NULL ? f->text : "";

		if (m.n_fields == sizeof(m.fields) / sizeof(m.fields[0]))
			break;
		m.n_fields++;
		(void)text_copy(v->key, sizeof(v->key), f->key, NULL);
		v->number = f->value;
		if (f->kind == LOG_TEXT)
			text_escape(foreign, strlen(foreign), v->text,
			    sizeof(v->text));
	}
	(void)msg_put(w, &log_line_type, &m, NULL);
}

/* Never wait: a pipe that is full loses the line.  A pipe takes up to
 * PIPE_BUF octets whole or not at all only if it is asked first. */
static bool
write_now(const void *p, size_t n)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t sent;

	if (poll(&pfd, 1, 0) == 0)
		return false;
	sent = send(STDERR_FILENO, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno == ENOTSOCK)
		sent = write(STDERR_FILENO, p, n);
	return sent == (ssize_t)n;
}

void
log_fields(enum log_level level, const char *id,
    const struct log_field *fields)
{
	uint8_t line[LINE_MAX_OCTETS];
	struct wbuf w = wbuf_of(line, sizeof(line));
	uint64_t dropped = 0;
	int saved = errno;

	if (level > log_state.level || !rate_allows(id, &dropped))
		return;
	if (log_state.cbor)
		render_cbor(&w, level, id, fields, dropped);
	else
		render_text(&w, level, id, fields, dropped);
	if (write_now(w.buf, w.len))
		log_state.lost = 0;
	else
		log_state.lost++;
	errno = saved;
}
