// One level of a hash grid as the kernels use it.
#pragma once
#include "math/hash_grid.h"
#include "ops/hash_grid.h"

namespace recon::RECON_ISA {

RECON_HD int64_t level_entries(const HashLevels& levels, int level) { return levels.offset[level + 1] - levels.offset[level]; }

RECON_HD GridLevel grid_level(const HashLevels& levels, int level) {
  const int64_t size = level_entries(levels, level), side = levels.resolution[level] + 2;
  return {float(levels.resolution[level]), side * side * side <= size ? uint32_t(side) : 0, uint32_t(size - 1)};
}

}  // namespace recon::RECON_ISA
