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


HEAP, SLAB, LARGE = "lib/heap.c", "lib/slab.h", "lib/large.c"

REMOVALS = [
    # ---- slab.h: is it a live object? ----
    Removal(
        "canary of a small object", SLAB,
        "\tif (ma_unlikely(!ma_canary_intact((const char *)ptr + ma_slot_size(slab, *slot))))\n"
        "\t\treturn MA_PROOF_OVERRUN;\n",
        tests=["test_heap/test_overflows", "violation_overflow_by_one"],
        cases=["overflow by 1 byte, 24 bytes, at free", "overflow by 8 bytes, 1000 bytes, at realloc"]),
    Removal(
        "state of a small object", SLAB,
        "\t\tif (state != MA_SLOT_WIDE)\n\t\t\treturn MA_PROOF_FREE;\n",
        "\t\tif (state != MA_SLOT_WIDE) {\n\t\t\tslot->slack = 0;\n\t\t\treturn MA_PROOF_OK;\n\t\t}\n",
        tests=["test_heap/test_freed_small_objects", "violation_double_free", "violation_realloc_freed"]),
    Removal(
        "start of a small object", SLAB,
        "\tif (ma_unlikely((size_t)idx * slab->slot != offset || idx >= slab->nslots))\n"
        "\t\treturn MA_PROOF_INTERIOR;\n",
        tests=["test_heap/test_pointers_into_objects", "violation_invalid_free_interior"]),
    Removal(
        "end of a slab", SLAB, " || idx >= slab->nslots))", "))",
        tests=["test_slab"]),
    Removal(
        "freed memory is still zero", SLAB,
        "\tif (slab->filled && ma_unlikely(!ma_fill_is_zero(ptr, slab->slot)))\n\t\tma_slab_damaged(slab, idx);\n",
        tests=["test_heap/test_writes_after_free", "violation_write_after_free_small"],
        cases=["write after free, first byte, 24 bytes", "write after free, then calloc, 24 bytes"]),

    # ---- heap.c: small objects ----
    Removal(
        "freed by another thread, before anything else", HEAP,
        "\t\tif (ma_slab_is_remote(t.slab, t.slot.idx))\n\t\t\treport_slot(t.slab, ptr, MA_PROOF_FREE, kind);\n",
        tests=["test_heap/test_objects_that_another_thread_freed"]),
    Removal(
        "wrong pool", HEAP,
        "\tif (ma_pool_of(t.block) != &inst->pool)\n\t\treport_instance(ptr);\n\treturn t;\n", "\treturn t;\n",
        tests=["test_heap/test_the_wrong_pool", "violation_wrong_pool", "test_api_pools"]),
    Removal(
        "sized free", HEAP,
        "\tif (claim->size != SIZE_MAX && claim->size != t.size)\n\t\tma_report(&v);\n",
        tests=["test_heap/test_claims_that_do_not_hold", "test_preload"]),
    Removal(
        "alignment at a sized free", HEAP,
        "\tif (!ma_is_pow2(claim->align) || (uintptr_t)ptr % claim->align != 0)\n\t\tma_report(&v);\n",
        tests=["test_heap/test_claims_that_do_not_hold", "test_preload"]),
    Removal(
        "quarantine", HEAP, "\tif (heap->quarantine.cap > 0) {\n", "\tif (heap->quarantine.cap > 64) {\n",
        tests=["test_heap/test_quarantined_slots_wait"],
        cases=["memory comes back at once, 24 bytes"]),
    Removal(
        "no old canary in a small object", HEAP, "\tma_canary_clear(ptr + t->size);\n",
        tests=["test_heap/test_a_grown_object_does_not_show_its_old_canary"]),

    # ---- heap.c: large objects ----
    Removal(
        "is it memory of ours at all", HEAP,
        "\tif (block == NULL || block->kind != MA_BLOCK_LARGE)\n\t\treport_block(block, ptr, kind);\n",
        tests=["test_heap/test_pointers_that_are_not_ours", "violation_invalid_free_stack",
               "violation_invalid_free_global"]),
    Removal(
        "a large object that was freed", HEAP,
        "\tif (block == NULL || block->kind != MA_BLOCK_LARGE)\n\t\treport_block(block, ptr, kind);\n",
        "\tif (block == NULL)\n\t\treport_block(block, ptr, kind);\n",
        tests=["test_heap/test_freed_large_objects"]),
    Removal(
        "start of a large object", HEAP,
        "\tif (ptr != ma_large_ptr(block))\n\t\treport_large(block, ptr, kind);\n",
        tests=["test_heap/test_pointers_into_objects"]),
    Removal(
        "canary of a large object", HEAP,
        "\tif (!ma_large_intact(block))\n\t\tma_large_overrun(block);\n",
        tests=["test_heap/test_overflows", "violation_overflow_large_block"],
        cases=["overflow by 1 byte, 100000 bytes, at free"]),
    Removal(
        "wrong pool, large", HEAP,
        "\tif (ma_pool_of(block) != &inst->pool)\n\t\treport_instance(ptr);\n\tif (ma_large_free(block))\n",
        "\tif (ma_large_free(block))\n",
        tests=["test_heap/test_the_wrong_pool", "test_api_pools"]),

    # ---- heap.c: the last look, when two threads free at the same time ----
    Removal(
        "freed by another thread, meanwhile", HEAP,
        "\tif (!ma_slab_set_remote(slab, t.slot.idx))\n"
        "\t\treport_slot(slab, ptr, MA_PROOF_FREE, MA_INVALID_FREE);\n",
        "\t(void)ma_slab_set_remote(slab, t.slot.idx);\n",
        cases=["double free by two threads at once, 24 bytes"]),

    # ---- large.c ----
    Removal(
        "no old canary in a large object", LARGE, "\tma_canary_clear(end_of(block));\n",
        tests=["test_heap/test_a_grown_object_does_not_show_its_old_canary"]),
]
