#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdint.h>

#include "base/err.h"

/*
 * Parse a decimal, or with 0x a hexadecimal, number in min..max.  The whole
 * text must be the number: no sign, no blanks.  The only number parser.
 */
int num_parse(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    struct err *e);

/* A duration: 90, 90s, 15m, 8h, 30d; result in seconds, within min..max. */
int num_duration(const char *text, uint64_t min, uint64_t max, uint64_t *s,
    struct err *e);

#endif
