/*
 * hooks - what some instances do beside each operation: sampling, traces, validation.
 *
 * What and why: recording stacks, choosing samples and validating every so often cost what the
 * short ways of malloc and free must not pay. An instance that wants them takes the long way each
 * time, which calls these.
 *
 * Locks: none of its own. Cost: nothing for an instance without hooks.
 */
#ifndef MA_HOOKS_H
#define MA_HOOKS_H

#include "heap.h"

/** ma_hooks_is_sampled() - whether this allocation is the one in config.sample. */
bool ma_hooks_is_sampled(struct ma_heap *heap);

/** ma_hooks_allocated() - @ptr has just become live: record the stack, validate when it is time. */
void ma_hooks_allocated(struct ma_heap *heap, void *ptr);

/**
 * ma_hooks_freed() - a live object is about to be freed: record the stack
 * @heap:  the calling thread's, or NULL
 */
void ma_hooks_freed(struct ma_instance *inst, struct ma_heap *heap, void *ptr);

#endif
