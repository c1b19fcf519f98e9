#ifndef SYS_OUT_H
#define SYS_OUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "msg/types.h"

/*
 * Results: text, JSON and CBOR are renderers of the same record, which is a
 * message of the CDDL.  Secrets (msg_type pki-load, gre-sa-add) are refused.
 * JSON: addresses as "10.0.0.1", prefixes "10.0.0.0/8", endpoints
 * "192.0.2.1:500", bytes and SPIs in hexadecimal; one object a line.
 */
enum out_format { OUT_TEXT, OUT_JSON, OUT_CBOR };
/* Of the flags -j and --cbor. */
enum out_format out_format(bool json, bool cbor);

int out_json(FILE *f, const struct msg_type *t, const void *m,
    struct err *e);
int out_cbor(FILE *f, const struct msg_type *t, const void *m,
    struct err *e);
/* {"at":...,"event":"NAME",...body} of an event of any known type. */
int out_event(FILE *f, enum out_format format, const struct msg *m,
    struct err *e);
/* The same of one that happened in this boot: with "time", UTC, which a text
 * has instead of the milliseconds. */
int out_event_now(FILE *f, enum out_format format, const struct msg *m,
    struct err *e);
/* "key=value key=value" of the non-empty members. */
int out_line(FILE *f, const struct msg_type *t, const void *m,
    struct err *e);

/* Any of the three. */
int out_record(FILE *f, enum out_format format, const struct msg_type *t,
    const void *m, struct err *e);

/* JSON pieces for what is no message (decoders). */
void json_text(FILE *f, const void *octets, size_t len);   /* quoted */

/*
 * Tables: columns as wide as their widest cell, two blanks between, a bold
 * header on a terminal; numbers right-aligned.  On a pipe the same without
 * colour, one record a line; where a terminal is too narrow, columns that are
 * empty are left out, and records have several lines.  Cells are copied.
 */
struct table;
struct table *table_new(const char *const *headers);	/* ends in NULL;
					 * '>' before one aligns right */
void table_cell(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int table_print(struct table *t, FILE *f, struct err *e);  /* and frees */
void table_free(struct table *t);

/* Columns of the terminal behind f; 0: there is none, lines have no end. */
size_t out_width(FILE *f);
/* A line (without its newline), as it is; on a terminal that is narrower
 * broken between words, the lines after the first indented by so much. */
void out_fold(FILE *f, const char *line, size_t indent);

/* "1.2 M", "3 h 5 min": for people. */
const char *human_bytes(uint64_t n, char b[16]);
const char *human_time(uint64_t seconds, char b[16]);

#endif
