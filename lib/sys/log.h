#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdint.h>

#include "base/err.h"

/*
 * Events, not prose: an id that never changes and typed fields.
 *	dmvpn-ike: warn auth-failed peer=192.0.2.7 spi=49152 why="..."
 * With DMVPN_LOG=time the line begins with the time (UTC, RFC 3339), for logs
 * that nobody else dates; with DMVPN_LOG=cbor: one CBOR map each.  Never
 * blocks: what a full pipe does not take is dropped and counted (the next
 * line says how many).  At most 10 lines a second for one id; the rest is
 * counted.  Foreign text is escaped.  Level by DMVPN_LOG_LEVEL or log_level:
 * error warn info debug.
 */
enum log_level { LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG };

enum log_kind { LOG_END, LOG_TEXT, LOG_UINT, LOG_HEX };
struct log_field {
	enum log_kind	 kind;
	const char	*key;
	const char	*text;
	uint64_t	 value;
};

#define T(k, v) { LOG_TEXT, (k), (v), 0 }
#define U(k, v) { LOG_UINT, (k), NULL, (v) }
#define H(k, v) { LOG_HEX, (k), NULL, (v) }
#define log_event(level, id, ...) log_fields((level), (id), \
    (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) \
    { LOG_END, NULL, NULL, 0 } })

void log_open(const char *program);	/* to stderr, made non-blocking-safe */
void log_level(enum log_level level);
/* By name, as --log-level gives it. */
int log_level_parse(const char *text, struct err *e);
/* "2026-11-23T18:05:54.123Z " with DMVPN_LOG=time, else "". */
const char *log_time(char b[48]);
void log_fields(enum log_level level, const char *id,
    const struct log_field *fields);

#endif
