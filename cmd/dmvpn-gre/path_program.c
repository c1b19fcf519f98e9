#include "path_program.h"

#include "path_int.h"

#define LEAF		4	/* keys that are compared one by one */
#define SPI_AT		8	/* behind the UDP header */
#define MAC_AT		2	/* of the peer, less two octets */
#define SOURCE4_AT	12
#define SOURCE6_AT	20	/* its lowest 32 bits */
#define RANDOM		((uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM))
#define NET		((uint32_t)SKF_NET_OFF)

static unsigned
emit(struct program *g, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (g->n == BPF_MAXINSNS) {
		g->full = true;
		return 0;
	}
	g->code[g->n] = (struct sock_filter){ code, jt, jf, k };
	return g->n++;
}

#define PASS(g)	emit(g, BPF_RET | BPF_K, 0, 0, UINT32_MAX)
#define DROP(g)	emit(g, BPF_RET | BPF_K, 0, 0, 0)

/* A jump to what comes next. */
static void
land(struct program *g, unsigned jump)
{
	if (!g->full)
		g->code[jump].k = g->n - jump - 1;
}

static void
load(struct program *g, uint32_t at)
{
	emit(g, BPF_LD | BPF_W | g->mode, 0, 0, at);
}

/* -------------------------------------------------------------- heads */

static void
begin(struct program *g, uint16_t mode, uint32_t key_at)
{
	g->n = g->ike = g->mine = 0;
	g->full = false;
	g->mode = mode;
	g->key_at = key_at;
}

void
program_udp(struct program *g)
{
	begin(g, BPF_ABS, SPI_AT);
	emit(g, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	emit(g, BPF_JMP | BPF_JGE | BPF_K, 1, 0, SPI_AT + 4);
	PASS(g);
	load(g, SPI_AT);
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	g->ike = emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
}

/* A load behind the end drops. */
static void
skip_ip(struct program *g, bool v4)
{
	if (v4)
		emit(g, BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0);
}

void
program_esp(struct program *g, bool v4)
{
	begin(g, v4 ? BPF_IND : BPF_ABS, 0);
	skip_ip(g, v4);
	load(g, 0);
}

void
program_gre(struct program *g, bool v4)
{
	begin(g, v4 ? BPF_IND : BPF_ABS, 0);
	skip_ip(g, v4);
	g->key_at = NET + (v4 ? SOURCE4_AT : SOURCE6_AT);
	emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, g->key_at);
}

void
program_frame(struct program *g)
{
	begin(g, BPF_ABS, MAC_AT);
	load(g, MAC_AT);
}

void
program_share(struct program *g, unsigned n)
{
	emit(g, BPF_ALU | BPF_MOD | BPF_K, 0, 0, n);
	g->mine = emit(g, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
	DROP(g);
	load(g, g->key_at);
}

void
program_receiver(struct program *g, unsigned k)
{
	if (g->mine != 0)
		g->code[g->mine].k = k;
}

/* -------------------------------------------------------------- bodies */

void
program_cut(struct program *g, const struct filter_cut *c, size_t n)
{
	for (; n > 0; n--, c++) {
		emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, c->key);
		emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, RANDOM);
		emit(g, BPF_JMP | BPF_JGE | BPF_K, 1, 0, c->pass);
		PASS(g);
		DROP(g);
	}
}

/* Pass when A is among the keys, else go on behind the tree.  misses: jumps
 * that are still to learn where that is. */
static void
tree(struct program *g, const uint32_t *key, size_t n, unsigned *misses,
    size_t *n_misses)
{
	size_t half = n / 2, i;
	unsigned right;

	if (n > LEAF) {
		emit(g, BPF_JMP | BPF_JGE | BPF_K, 0, 1, key[half]);
		right = emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
		tree(g, key, half, misses, n_misses);
		land(g, right);
		tree(g, key + half, n - half, misses, n_misses);
		return;
	}
	for (i = 0; i < n; i++) {
		emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, key[i]);
		PASS(g);
	}
	misses[(*n_misses)++] = emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
}

void
program_keys(struct program *g, const uint32_t *key, size_t n)
{
	static unsigned misses[GUARD_KEYS];
	size_t n_misses = 0, i;

	tree(g, key, n, misses, &n_misses);
	for (i = 0; i < n_misses; i++)
		land(g, misses[i]);
}

void
program_sample(struct program *g, uint32_t mask)
{
	emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, RANDOM);
	emit(g, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	PASS(g);
	DROP(g);
}

void
program_sample_nhrp(struct program *g, uint32_t mask)
{
	unsigned other;

	emit(g, BPF_LD | BPF_H | g->mode, 0, 0, 2);	/* RFC 2784, 2 */
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, GRE_NHRP);
	other = emit(g, BPF_JMP | BPF_JA, 0, 0, 0);
	program_sample(g, mask);
	land(g, other);
}

void
program_ike(struct program *g, const uint32_t *key, size_t n)
{
	land(g, g->ike);
	if (n == 0)
		return;
	load(g, SPI_AT + 4);
	program_keys(g, key, n);
	load(g, SPI_AT + 12);
	program_keys(g, key, n);
}

void
program_pass(struct program *g)
{
	PASS(g);
}
