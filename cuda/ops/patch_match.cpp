// A register of pixels at a time: neighbours in a row, or in a row of one colour of the checkerboard.
#include "ops/entry_points.h"
#include "ops/patch_match_body.h"

namespace recon::RECON_ISA {

// Pixels first, first + stride, ... of a row; those past its end are its last one again.
static i32 columns_from(int first, int stride, int last) {
  i32 columns;
  for (int lane = 0; lane < kLanes; ++lane) {
    const int column = first + stride * lane;
    columns[lane] = column <= last ? column : last;
  }
  return columns;
}

void match_costs(const MatchArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(dynamic, 1)
  for (int row = 0; row < a.height; ++row) {
    for (int column = 0; column < a.width; column += kLanes)
      price_pixel<f32>(a, columns_from(column, 1, a.width - 1), i32{} + row);
  }
}

void match_sweep(const MatchArgs& a) {
  for (int colour = 0; colour < 2; ++colour) {
#pragma omp parallel for num_threads(a.threads) schedule(dynamic, 1)
    for (int row = 0; row < a.height; ++row) {
      const int first = (row + colour) & 1, last = a.width - 1 - ((a.width - 1 - first) & 1);
      for (int column = first; column < a.width; column += 2 * kLanes)
        sweep_pixel<f32>(a, columns_from(column, 2, last), i32{} + row);
    }
  }
}

}  // namespace recon::RECON_ISA
