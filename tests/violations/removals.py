"""What to take out of the sources, and what must then fail: a row for each check that memalloc makes.

Tests are names of meson tests, or "test/part" for one test function of a program of cmocka; cases are names of the
scorecard's, which must come out worse than with the check, under the profile that is named. A replacement leaves the
rest as it would be if the check had never been written: it must compile.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Removal:
    check: str
    file: str
    text: str               # stands there exactly once
    replacement: str = ""
    tests: list = field(default_factory=list)
    cases: list = field(default_factory=list)
    profile: str = "default"
    also: tuple = ()        # (file, text, replacement) where it stands once more


HEAP, CLAIMS, SLAB, LARGE, PROOF = "lib/heap.c", "lib/heap_report.c", "lib/slab.h", "lib/large.c", "lib/proof.c"
SWEEP, WAITLIST, FAST = "lib/sweep.c", "lib/waitlist.c", "lib/fast.h"

REMOVALS = [
    # ---- is it a live object? ----
    Removal(
        "canary of a small object", SLAB,
        "\tif (ma_unlikely(!ma_canary_intact((const char *)ptr + size, secret)))\n\t\treturn MA_PROOF_OVERRUN;\n", "\t(void)secret;\n",
        also=[(FAST, "ma_canary_found(end) ^ ma_canary_at(end, secret);", "0 * ma_canary_at(end, secret);")],
        tests=["test_heap/test_overflows", "violation_overflow_by_one"],
        cases=["overflow by 1 byte, 24 bytes, at free"]),
    Removal(
        "end of the slot of a small object", SLAB,
        "\tif (ma_unlikely(!ma_slot_tail_intact(ptr, slab->slot, slot->slack)))\n\t\treturn MA_PROOF_OVERRUN;\n", "",
        also=[(FAST, "(damage | (ma_canary_found(last) & ma_fast_tail[phase])) == 0", "damage == 0")],
        cases=["underflow by 8 bytes, 1000 bytes, at free"]),
    Removal(
        "redzone of a small object", SLAB,
        "\tif (ma_unlikely(slab->flags & MA_SLAB_CLOSE) && !ma_slab_tail_is_zero(slab, ptr, size))\n"
        "\t\treturn MA_PROOF_OVERRUN;\n", "",
        cases=["overflow that jumps 8 bytes, 24 bytes"], profile="strict"),
    Removal(
        "state of a small object", SLAB,
        "\tif (ma_unlikely(!ma_slot_is_live(state)))\n\t\treturn MA_PROOF_FREE;\n",
        "\tif (ma_unlikely(!ma_slot_is_live(state))) {\n\t\tslot->slack = 0;\n\t\treturn MA_PROOF_OK;\n\t}\n",
        also=[(FAST, "return ma_likely(ma_slot_phase(o->state) < MA_SLOT_WIDE);", "return true;")],
        tests=["test_heap/test_freed_small_objects", "violation_double_free", "violation_realloc_freed"]),
    Removal(
        "start of a small object", SLAB,
        "\tif (ma_unlikely((size_t)idx * slab->slot != offset || idx >= slab->nslots))\n"
        "\t\treturn MA_PROOF_INTERIOR;\n",
        also=[(FAST, "o->idx * o->slab->slot != offset || ", "")],
        tests=["test_heap/test_pointers_into_objects", "violation_invalid_free_interior"]),
    Removal(
        "end of a slab", SLAB, " || idx >= slab->nslots))", "))",
        tests=["test_slab"]),
    Removal(
        "freed memory is still zero", SLAB,
        "\tif (ma_unlikely(!ma_slab_is_zero(slab, idx)))\n\t\tma_slab_damaged(slab, idx);\n",
        also=[(FAST, "\tif (ma_unlikely(!ma_fill_is_zero(slot.ptr, &stock->fill)))\n"
                     "\t\treturn ma_fast_damaged(heap, slot, size);\n", "\t(void)heap;\n")],
        tests=["test_heap/test_writes_after_free", "violation_write_after_free_small"],
        cases=["write after free, first byte, 24 bytes", "write after free, then calloc, 24 bytes"]),
    Removal(
        "zero when freed", SLAB,
        "\tma_slab_zero(slab, idx);\n\tma_slab_store(slab, idx, life | MA_SLOT_RETIRED);\n",
        "\tma_slab_store(slab, idx, life | MA_SLOT_RETIRED);\n",
        also=[(FAST, "\tma_fill_zero(ptr, fill);\n", "\t(void)ptr;\n\t(void)fill;\n")],
        tests=["test_slab"]),
    Removal(
        "another canary in each life", SLAB,
        " ^\n\t       ((uintptr_t)(state & MA_SLOT_LIVES) << MA_SLAB_ADDR_BITS);\n",
        " ^\n\t       ((uintptr_t)(state & 0) << MA_SLAB_ADDR_BITS);\n",
        also=[(SLAB, "\treturn secret + ((uintptr_t)ma_canary.stride << MA_SLAB_ADDR_BITS);\n",
                     "\treturn secret;\n")],
        cases=["canary of an earlier life, and on into the next object"]),
    Removal(
        "another canary at each address", "lib/canary.h",
        "((uintptr_t)at ^ secret)", "((uintptr_t)(at != NULL) ^ secret)",
        tests=["test_canary"]),  # the secret is each slot's own, too
    Removal(
        "a canary ends strings", "lib/canary.h", " >> 8 | 1;", " | 1;",
        tests=["test_canary"]),
    Removal(
        "never allocated", PROOF, "proof == MA_PROOF_FREE && ma_slot_was_used(ma_slab_load(slab, idx))",
        "proof == MA_PROOF_FREE",
        cases=["free of memory never handed out, 24 bytes"]),
    Removal(
        "wrong pool", PROOF,
        "\treport_instance(ptr);\n\treturn false;\n", "\treturn true;\n",
        tests=["test_heap/test_the_wrong_pool", "violation_wrong_pool", "test_api_pools"]),
    Removal(
        "is it memory of ours at all", PROOF,
        "\tif (block == NULL || block->kind != MA_BLOCK_LARGE) {\n\t\treport_block(block, ptr, kind);\n"
        "\t\treturn false;\n\t}\n",
        tests=["test_heap/test_pointers_that_are_not_ours", "violation_invalid_free_stack",
               "violation_invalid_free_global"]),
    Removal(
        "a large object that was freed", PROOF,
        "\tif (block == NULL || block->kind != MA_BLOCK_LARGE) {\n",
        "\tif (block == NULL) {\n",
        tests=["test_heap/test_freed_large_objects"]),
    Removal(
        "start of a large object", PROOF,
        "\tif (ptr != ma_large_ptr(block)) {\n\t\treport_large(block, ptr, kind);\n\t\treturn false;\n\t}\n",
        tests=["test_heap/test_pointers_into_objects"]),
    Removal(
        "canary of a large object", PROOF,
        "\tif (!ma_large_intact(block) && atomic_load(&ma_large_of(block)->sealed))\n\t\tma_large_overrun(block);\n",
        tests=["test_heap/test_overflows", "violation_overflow_large_block"],
        cases=["overflow by 1 byte, 100000 bytes, at free"]),

    # ---- what the program claims ----
    Removal(
        "sized free", CLAIMS,
        "\tif (claim->size != SIZE_MAX && claim->size != t.size)\n"
        "\t\treport_size(&t, ptr);\n",
        tests=["test_heap/test_claims_that_do_not_hold", "test_preload"]),
    Removal(
        "alignment at a sized free", CLAIMS,
        "\tif (!ma_is_pow2(claim->align) || (uintptr_t)ptr % claim->align != 0)\n"
        "\t\treport_alignment(&t, ptr);\n",
        tests=["test_heap/test_claims_that_do_not_hold", "test_preload"]),
    Removal(
        "who made it, who ends it", CLAIMS,
        "\tif (from != (unsigned)origin)\n\t\treport_origin(&t, ptr, from);\n", "\t(void)from;\n",
        cases=["new, then free"], profile="strict"),

    # ---- later use of what was freed ----
    Removal(
        "quarantine", HEAP, "\tif (heap->quarantine.cap > 0) {\n", "\tif (heap->quarantine.cap > 64) {\n",
        also=[("lib/stock.c", "\tstock->quiet_max = (uint16_t)ma_min(config->quiet, ma_max(entries / 2, 1));\n",
               "\tstock->quiet_max = 0;\n")],
        tests=["test_heap/test_quarantined_slots_wait", "test_stock/test_quiet_ones_stay"],
        cases=["memory comes back at once, 24 bytes"]),
    Removal(
        "freed blocks wait", WAITLIST, "\tif (block->size > list->max)\n", "\tif (block->size > 0)\n",
        tests=["test_waitlist"],
        cases=["memory comes back at once, 200000 bytes"]),
    Removal(
        "freed large objects are inaccessible", WAITLIST,
        "\tif (is_sealed(list, block, block->purpose) && ma_guard_all(block))\n\t\tblock->zero = true;\n", "",
        tests=["test_waitlist"],
        profile="strict"),
    Removal(
        "freed large objects are zeroed", LARGE,
        "\tif (larges->cleaned && block->size <= MA_WAIT_ZEROED && !ma_large_of(block)->tight)\n\t\tclean(block);\n", "",
        cases=["read after free, 200000 bytes"], profile="strict"),
    Removal(
        "freed large objects are still zero", LARGE,
        "\tif (larges->cleaned && block->zero && block->size <= MA_WAIT_ZEROED)\n\t\tverify(block);\n", "",
        tests=["test_guarded"]),
    Removal(
        "large objects that no longer wait are still zero", WAITLIST, "\tverify(list, block);\n", "",
        cases=["write after free, first byte, 200000 bytes"], profile="strict"),
    Removal(
        "no old canary in a small object", "lib/slab.c", "\tma_canary_clear(ptr + old);\n",
        tests=["test_heap/test_a_grown_object_does_not_show_its_old_canary"]),
    Removal(
        "no old canary in a large object", LARGE,
        "\tunseal(block);\n\tma_canary_clear(end_of(block));\n", "\tunseal(block);\n",
        tests=["test_heap/test_a_grown_object_does_not_show_its_old_canary"]),

    # ---- guards ----
    Removal(
        "guards beside large objects", LARGE,
        "\tbool guarded = (larges->guarded && !plan->bare) || req->tight;\n", "\tbool guarded = req->tight;\n",
        tests=["test_guarded"],
        cases=["write into the page before 300000 bytes"]),
    Removal(
        "guards behind slabs", "lib/slab.c",
        "\tsize_t guard = policy->guarded ? pool->page : 0;\n", "\tsize_t guard = policy->guarded ? 0 : 0;\n",
        tests=["test_slab_policy"]),
    Removal(
        "samples", HEAP, "\tif (ma_hooks_is_sampled(heap) && req->align <= heap->instance->pool.page)\n"
        "\t\tptr = alloc_large(heap, req, true);\n",
        tests=["test_guarded/test_samples"]),

    # ---- looking around ----
    Removal(
        "sweep at exit", SWEEP,
        "\tif (damage.block != NULL)\n\t\ttell(&damage);\n}\n", "\t(void)damage;\n}\n",
        cases=["overflow by 1 byte, 24 bytes, never freed", "write after free, at exit, 24 bytes"]),
    Removal(
        "sweep of large objects", SWEEP,
        "\treturn atomic_load(&ma_large_of(block)->sealed) && !ma_large_intact(block);\n",
        "\treturn !atomic_load(&ma_large_of(block)->sealed) && !ma_large_intact(block);\n",
        cases=["overflow by 1 byte, 100000 bytes, never freed"]),

    # ---- the last look, when two threads free at the same time ----
    Removal(
        "freed by another thread, meanwhile", HEAP,
        "\telse if (ma_unlikely(!ma_remote_free(heap, t.slab, t.slot)))\n"
        "\t\t(void)ma_prove_failed(t.slab, ptr, MA_PROOF_FREE, &t.slot, MA_INVALID_FREE);\n",
        "\telse if (!ma_remote_free(heap, t.slab, t.slot))\n\t\treturn;\n",
        cases=["double free by two threads at once, 24 bytes"]),

    # ---- after a fork ----
    Removal(
        "other canaries in a child", "lib/memalloc.c", "\trenew_secrets();\n",
        cases=["canaries shared with a child"]),
]
