// Which pairs of a batch touch which blocks, as one list: what the way back walks over.
#pragma once
#include "ops/splat_blocks.h"

namespace recon::RECON_ISA {

constexpr int kBatch = 16;  // pairs that walk together on the way back

// The set bits of every byte, lowest first.
struct SetBits {
  uint8_t places[256][8], count[256];
};
constexpr SetBits set_bits() {
  SetBits table{};
  for (int byte = 0; byte < 256; ++byte)
    for (int bit = 0; bit < 8; ++bit)
      if (byte >> bit & 1) table.places[byte][table.count[byte]++] = uint8_t(bit);
  return table;
}
constexpr SetBits kSetBits = set_bits();

// Pair by pair, the blocks of each together.
struct Touches {
  uint8_t pair[kBatch * kBlocks + kBlocks], block[kBatch * kBlocks + kBlocks];
  int count = 0;

  // No branch asks how many blocks there are, as no processor guesses that; what is written beyond them is written over.
  RECON_HD void add(int j, uint32_t blocks) {
    static_assert(kBlocks == 16, "two bytes");
    __builtin_memset(pair + count, j, kBlocks);
    put(blocks & 255, 0);
    put(blocks >> 8, 8);
  }

 private:
  RECON_HD void put(uint32_t byte, uint8_t first) {
    uint64_t places;
    __builtin_memcpy(&places, kSetBits.places[byte], sizeof places);
    places += first * 0x0101010101010101u;  // to each of the eight
    __builtin_memcpy(block + count, &places, sizeof places);
    count += kSetBits.count[byte];
  }
};

}  // namespace recon::RECON_ISA
