/*
 * stats - what makes up the memory of an instance, and how much of it is resident.
 *
 * What and why: everything is computed from the blocks and the slots' states at the moment of the
 * question, so nothing is counted while the program runs, and no counter can drift.
 *
 *      mapped    [ live | slack | used | fresh | quarantine | tails | guards ]  slabs and large
 *                [ waiting ][ aside ][ free: stale | purged or never used ]     other blocks
 *      resident  what of that was touched, page by page, as far as states tell, and metadata
 *
 * Rules:
 *   T1  live + slack + used + fresh + quarantine + tails + guards + waiting + aside + free are
 *       mapped.
 *   T2  Counts are exact when no other thread is at work, else each slot is counted as it was at
 *       some moment of the walk.
 *
 * What the resident estimate does not know: whether the program has touched all it asked for (it is
 * taken to have); which pages of a slab that has waited were ever used (all are taken to be); which
 * pages of free memory were physical before a part of it was used again (P10); pages that were only
 * read; and what the kernel swapped out.
 *
 * Locks: the registry's, the waitlist's, the pool's and the meta store's, in this order (lock.h).
 * Cost: O(blocks + slots). Rejected: counters (a cost to every allocation).
 */
#ifndef MA_STATS_H
#define MA_STATS_H

#include "heap.h"

/* Bytes unless said. */
struct ma_stats {
	/* These make up mapped (T1). */
	size_t live;       /* requested bytes of live objects */
	size_t slack;      /* of their slots and blocks beside that: canaries, rounding */
	size_t used;       /* free slots that were in use before */
	size_t fresh;      /* slots that never were */
	size_t quarantine; /* retired slots */
	size_t tails;      /* of slabs behind the last slot */
	size_t guards;     /* pages set aside as guards in slabs and blocks of large objects */
	size_t waiting;    /* blocks in the waitlist, or on their way to it or from it */
	size_t aside;      /* blocks that somebody is at work on */
	size_t free;       /* free blocks */
	size_t mapped;

	/* Other sums. */
	size_t slabs;         /* blocks cut into slots */
	size_t large;         /* blocks of one object each */
	size_t direct;        /* of those in mappings of their own */
	size_t stale;         /* of free: probably resident */
	size_t metadata;      /* mapped for descriptors, guards and address tables included */
	size_t metadata_used; /* handed out to descriptors */
	size_t metadata_resident;
	size_t resident; /* all that is probably resident, metadata included */

	/* Numbers. */
	size_t objects;
	size_t retired_slots;
	size_t free_slots;
	size_t nslabs;
	size_t nlarge;
	size_t ndirect;
	size_t nheaps;
	struct ma_pool_counts pool;
	size_t guarded;
	size_t unguarded;
};

/**
 * ma_stats_count() - look at everything
 * @ms:  0, or wait for locks a moment only: at exit, whoever holds one may never run again
 *
 * Return: false when a lock was not to be had; @stats is then zero.
 */
bool ma_stats_count(struct ma_instance *inst, struct ma_stats *stats, uint64_t ms);

/**
 * ma_stats_ask() - bytes of the instance's mappings that are resident, by the OS
 *
 * Pages that were only read count, too, and pages that are swapped out do not.
 * Return: SIZE_MAX when the OS cannot tell, or a lock was not to be had.
 */
size_t ma_stats_ask(struct ma_instance *inst, uint64_t ms);

#endif
