/*
 * dump - the heap as text and numbers: print_free_list(), memalloc_walk(), memalloc_stats().
 *
 * What and why: everything that is seen is computed from the blocks and the slots' states at the
 * moment of the question, so nothing is counted while the program runs, and no counter can drift.
 *
 * Locks: the pool's, for the length of a walk. Slots of other threads' slabs are read as they are:
 * their states are single bytes. Cost: O(blocks + slots).
 */
#ifndef MA_DUMP_H
#define MA_DUMP_H

#include "instance.h"
#include "memalloc.h"

/** ma_dump_list() - print_free_list() for an instance, to a descriptor. */
void ma_dump_list(struct ma_instance *inst, int fd);

/** ma_dump_stats() - memalloc_stats() for an instance. @ms, Return: as ma_stats_count(). */
bool ma_dump_stats(struct ma_instance *inst, struct memalloc_statistics *stats, uint64_t ms);

/** ma_dump_print() - memalloc_print_stats() for an instance, to a descriptor. @ms: likewise. */
void ma_dump_print(struct ma_instance *inst, int fd, uint64_t ms);

/** ma_dump_at_exit() - the same to where reports go, when other threads may be gone. */
void ma_dump_at_exit(struct ma_instance *inst);

#endif
