#ifndef DECODE_DOC_H
#define DECODE_DOC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/name.h"

/*
 * One decoded message for a person or as one JSON object.  A printer says
 * everything once: doc_line and its kin make the text and do nothing in
 * JSON; doc_num and its kin make JSON members and do nothing in text.
 */
struct doc {
	FILE		*f;
	bool		 json;
	bool		 bold;		/* text: the first line of a record */
	unsigned	 depth;		/* text: indent */
	bool		 comma;		/* JSON: a member stands before */
	bool		 folds;		/* text: f is a terminal */
	char		 line[1024];	/* the line that is not shown yet */
	size_t		 at;		/* octets of it */
};

/* json: one object a line; bold only when f is a terminal. */
void doc_init(struct doc *d, FILE *f, bool json);

void doc_begin(struct doc *d);		/* a record */
void doc_end(struct doc *d);

/* Text only.  doc_line begins a line, doc_more goes on with it. */
void doc_line(struct doc *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void doc_more(struct doc *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void doc_in(struct doc *d);
void doc_out(struct doc *d);

/* JSON only.  key is NULL inside a list. */
void doc_open(struct doc *d, const char *key);
void doc_close(struct doc *d);
void doc_list(struct doc *d, const char *key);
void doc_list_end(struct doc *d);
void doc_num(struct doc *d, const char *key, uint64_t v);
void doc_bool(struct doc *d, const char *key, bool v);
void doc_text(struct doc *d, const char *key, const char *v);
void doc_octets(struct doc *d, const char *key, struct rbuf v); /* foreign */
void doc_hex(struct doc *d, const char *key, struct rbuf v);
void doc_spi(struct doc *d, const char *key, uint64_t v, int digits);
void doc_addr(struct doc *d, const char *key, const struct addr *v);
void doc_endpoint(struct doc *d, const char *key, const struct endpoint *v);
void doc_name(struct doc *d, const char *key, const struct name *names,
    uint32_t v);
/* UTC, nanoseconds cut to microseconds. */
void doc_time(struct doc *d, const char *key, uint64_t ns);

/* "12:00:01.123456" of the time, local, for the first line. */
struct doc_clock {
	char	s[32];
};
const char *doc_clock(uint64_t ns, struct doc_clock *b);

#endif
