#ifndef IKE_TIMER_H
#define IKE_TIMER_H

#include <stdint.h>

/*
 * The timers of the engine: a heap of those that run.  A timer is a member of
 * what it serves; which one, and what it does, its kind says (ike_timer.c).
 */
struct ike_engine;

enum ike_timer_kind {
	IKE_TIMER_NONE, IKE_TIMER_JUDGE, IKE_TIMER_RETRY, IKE_TIMER_SOFT,
	IKE_TIMER_HARD, IKE_TIMER_RESEND, IKE_TIMER_LIFE, IKE_TIMER_WAIT,
	IKE_TIMER_AGAIN, IKE_TIMER_PEER_LIFE, IKE_TIMER_PEER_CALL
};

struct ike_timer {
	uint64_t	 at;		/* ms; 0: stopped */
	uint32_t	 slot;		/* in the heap + 1; 0: not there */
	uint8_t		 kind;		/* enum ike_timer_kind */
};

/* A timer that ike_timer_init was told of always finds room in the heap. */
int ike_timer_init(struct ike_engine *g, struct ike_timer *t,
    enum ike_timer_kind kind);
void ike_timer_fini(struct ike_engine *g, struct ike_timer *t);
void ike_timer_set(struct ike_engine *g, struct ike_timer *t, uint64_t at);
void ike_timer_stop(struct ike_engine *g, struct ike_timer *t);
/* The next that is due, stopped; NULL when none is. */
struct ike_timer *ike_timer_due(struct ike_engine *g);
void ike_timer_fire(struct ike_engine *g, struct ike_timer *t);
/* What they do; owner is what the timer serves. */
void ike_crl_judge(struct ike_engine *g, void *owner);
void ike_conn_retry(struct ike_engine *g, void *owner);
void ike_csa_soft(struct ike_engine *g, void *owner);
void ike_csa_hard(struct ike_engine *g, void *owner);
void ike_resend(struct ike_engine *g, void *owner);
void ike_isa_life_end(struct ike_engine *g, void *owner);
void ike_isa_wait_end(struct ike_engine *g, void *owner);
void ike_isa_child_again(struct ike_engine *g, void *owner);
void ike_peer_life_end(struct ike_engine *g, void *owner);
void ike_orphan_call(struct ike_engine *g, void *owner);

#endif
