"""The emulator that kernels are tested with: its words mean CUDA's, and it catches what CUDA leaves undefined."""

from __future__ import annotations

import numpy as np
import pytest
from emulator import ORDERS, Emulator, KernelError

PLANTED = {
    "no_barrier_before_reading": "simt: (no barrier between|element .* is read before anybody wrote it)",
    "no_barrier_before_writing_again": "simt: no barrier between thread",
    "no_barrier_in_a_warp": "simt: (no barrier between|element .* is read before anybody wrote it)",
    "shuffle_instead_of_barrier": "simt: (no barrier between|element .* is read before anybody wrote it)",
    "warp_barrier_for_a_block": "simt: (no barrier between|element .* is read before anybody wrote it)",
    "read_plainly_what_others_add_to": "simt: no barrier between thread",
    "one_past_the_end": "AddressSanitizer: heap-buffer-overflow",
    "shared_past_the_end": r"simt: element 64 of tile \[64\] of planted.cpp:\d+ does not exist",
    "local_past_the_end": "index 4 out of bounds",
    "misaligned": "misaligned address",
    "cast_of_infinity": "outside the range of representable values",
    "never_written": "is read before anybody wrote it",
    "barrier_for_some": "simt: a barrier of the block in divergent code",
    "barrier_against_warp": "simt: threads wait for others that never come",
    "mask_of_absent_lanes": "simt: threads wait for others that never come",
    "mask_without_oneself": "the mask does not name the lane that says it",
    "sum_with_the_returned": r"lane \d+ needs lane \d+, which returned or is not in the mask",
    "two_words_at_once": "simt: lanes of one mask say different words",
    "parts_overlap": r"simt: shared array .* overlaps",
    "too_many_threads": "simt: a block of 1025 threads",
    "too_little_scratch": "less scratch memory than it asked for",
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("defect", sorted(PLANTED))
def test_a_planted_defect_is_caught(simt: Emulator, defect: str, order: str) -> None:
    x = np.arange(256, dtype=np.float32)
    with pytest.raises(KernelError, match=PLANTED[defect]):
        simt.run(f"planted_{defect}", order, x=x[:200] if defect == "one_past_the_end" else x)


def test_a_report_names_kernel_line_and_thread(simt: Emulator) -> None:
    with pytest.raises(KernelError) as caught:
        simt.run("planted_no_barrier_before_writing_again", x=np.zeros(256, np.float32))
    assert "turn_rows" in str(caught.value)
    assert "planted.cpp:" in str(caught.value)
    assert "thread (32, 0, 0)" in str(caught.value)


def test_the_same_kernels_pass_without_their_defects(simt: Emulator) -> None:
    x = np.random.default_rng(0).standard_normal(256, np.float32)
    out = simt.run_in_every_order("planted_none", x=x)["out"]
    np.testing.assert_array_equal(out.reshape(4, 64), x.reshape(4, 64)[:, ::-1])
    out = simt.run_in_every_order("planted_none_in_a_warp", x=x)["out"]
    np.testing.assert_array_equal(out.reshape(32, 2), x[:64].reshape(32, 2)[:, ::-1])


def test_words_of_a_warp_mean_what_cudas_do(simt: Emulator) -> None:
    x = np.random.default_rng(1).standard_normal(3 * 64, np.float32)
    out = simt.run_in_every_order("warp_words", x=x, blocks=3)
    warps, lanes = x.reshape(-1, 32), np.arange(32)
    wide = warps.astype(np.float64)
    quads = warps.reshape(-1, 4)
    expected = [
        np.repeat(warps[:, 5:6], 32, 1),
        warps[:, (lanes + 1) % 32],
        warps[:, np.where(lanes < 3, lanes, lanes - 3)],
        warps[:, np.where(lanes + 3 > 31, lanes, lanes + 3)],
        warps[:, lanes ^ 9],
        warps[:, np.where(lanes % 8 + 3 > 7, lanes, lanes + 3)],
        np.repeat(quads[:, 2:3], 4, 1).reshape(-1, 32),
        np.repeat(wide.sum(1, keepdims=True), 32, 1),
        np.repeat(wide.reshape(-1, 8).sum(1, keepdims=True), 8, 1).reshape(-1, 32),
        np.repeat(warps.max(1, keepdims=True), 32, 1),
        np.repeat(warps.reshape(-1, 16).min(1, keepdims=True), 16, 1).reshape(-1, 32),
        wide.cumsum(1),
    ]
    floats = out["floats"].reshape(-1, 32, 12)
    for i, values in enumerate(expected):
        np.testing.assert_allclose(floats[:, :, i], values, rtol=0, atol=1e-5, err_msg=f"word {i}")
    bits = out["bits"].reshape(-1, 32, 3)
    weights = 2**lanes
    np.testing.assert_array_equal(bits[:, :, 0], np.repeat(((warps > 0) @ weights)[:, None], 32, 1))
    floors = np.floor(warps)
    same = np.equal(floors[:, :, None], floors[:, None, :])
    np.testing.assert_array_equal(bits[:, :, 1], same @ weights)
    votes = (warps > 1.5).any(1, keepdims=True) | (warps > -1.5).all(1, keepdims=True) * 2
    np.testing.assert_array_equal(bits[:, :, 2], np.repeat(votes, 32, 1))


def test_threads_that_returned_are_not_waited_for(simt: Emulator) -> None:
    x = np.random.default_rng(2).standard_normal(64, np.float32)
    out = simt.run_in_every_order("half_warp_words", x=x, out=np.zeros(192, np.float32))["out"].reshape(2, 32, 3)
    halves = x.reshape(2, 32)[:, :16]
    np.testing.assert_allclose(out[:, :16, 0], np.repeat(halves.sum(1, keepdims=True), 16, 1), atol=1e-5)
    np.testing.assert_array_equal(out[:, :16, 1], 16)
    np.testing.assert_array_equal(out[:, :16, 2], halves.reshape(2, 8, 2)[:, :, ::-1].reshape(2, 16))
    np.testing.assert_array_equal(out[:, 16:], 0)


@pytest.mark.parametrize("threads", [32, 128, 1024])
@pytest.mark.parametrize("count", [1, 300])
def test_words_of_a_block_mean_what_cudas_do(simt: Emulator, threads: int, count: int) -> None:
    x = np.random.default_rng(3).integers(0, 100, count, np.int32)
    out = simt.run_in_every_order("block_words", x=x, counts=np.zeros(8, np.int32), count=count, threads=threads)
    blocks = -(-count // threads)
    padded = np.zeros((blocks, threads), np.int64)
    padded.reshape(-1)[:count] = x
    totals = np.repeat(padded.sum(1, keepdims=True), threads, 1)
    odd = np.repeat((padded % 2).sum(1, keepdims=True), threads, 1)
    expected = [padded.cumsum(1) - padded, totals, totals, np.roll(padded, -1, 1), odd]
    np.testing.assert_array_equal(
        out["sums"].reshape(count, 5), np.stack([values.reshape(-1)[:count] for values in expected], 1)
    )
    np.testing.assert_array_equal(out["counts"], np.bincount(padded.reshape(-1) % 8, minlength=8))


def test_atomics_lose_nothing(simt: Emulator) -> None:
    x = np.random.default_rng(4).integers(1, 1 << 20, 1000, np.int32)
    x[500] = 7
    start = np.array([0, 0, 1 << 30, 0, -1, 0, 0], np.int32)
    out = simt.run_in_every_order("atomics", x=x, out=start, count=1000)["out"]
    folded = [np.bitwise_or.reduce(x), np.bitwise_and.reduce(x), np.bitwise_xor.reduce(x)]
    np.testing.assert_array_equal(out, [x.sum(), x.max(), x.min(), *folded, 7])


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_library_calls_have_their_serial_meaning(simt: Emulator, count: int) -> None:
    random = np.random.default_rng(5)
    keys, flags = random.integers(0, 64, count, np.uint32), random.integers(0, 2, count, np.uint8)
    values = np.arange(count, dtype=np.int32)
    out = simt.run("library", keys=keys, values=values, flags=flags, count=count, bits=4)
    order = np.argsort(keys & 15, kind="stable")
    np.testing.assert_array_equal(out["sorted"], keys[order])
    np.testing.assert_array_equal(out["order"], order)
    np.testing.assert_array_equal(out["until"], keys.cumsum())
    np.testing.assert_array_equal(out["before"], keys.cumsum() - keys)
    assert out["sum"][0] == keys.sum()
    chosen, selected_too, runs = (int(n) for n in out["how_many"])
    np.testing.assert_array_equal(out["chosen"][:chosen], np.flatnonzero(flags))
    np.testing.assert_array_equal(out["where"][:selected_too], np.flatnonzero(flags))
    np.testing.assert_array_equal(np.repeat(out["unique"][:runs], out["lengths"][:runs]), keys[order])
    assert (np.diff(out["unique"][:runs].astype(int)) != 0).all()
