#ifndef MSG_MEMBER_H
#define MSG_MEMBER_H

#include "msg/msg.h"

/* The members of a message's struct, for those who write and show them. */

/* An unsigned member of 1, 2, 4 or 8 octets. */
uint64_t member_uint(const void *from, size_t size);
/* How many items a MSG_LIST of the struct at base holds. */
size_t member_count(const struct msg_field *f, const void *base);
/* Zero, false, "", nothing: what an absent member means. */
bool member_absent(const struct msg_field *f, const void *base);
/* -1 with this code: n of these units is not in the bounds. */
int member_range(int code, const char *unit, uint64_t n, uint64_t min,
    uint64_t max, struct err *e);

#endif
