// The operators of radiance fields as one device has them: the CPU's instruction sets, and CUDA.
#pragma once
#include "ops/composite.h"
#include "ops/directions.h"
#include "ops/field.h"
#include "ops/hash_grid.h"
#include "ops/march.h"
#include "ops/mlp.h"

namespace recon {

struct RadianceKernels {
  void (*hash_encode)(const HashArgs&);
  void (*hash_backward)(const HashArgs&);  // of the tables, the positions, or both
  int64_t (*hash_workspace)(const HashArgs&);
  void (*sparse_adam)(const SparseAdamArgs&);
  void (*mlp_forward)(const MlpArgs&);
  void (*mlp_backward)(const MlpArgs&);
  int64_t (*mlp_workspace)(const MlpArgs&);
  bool (*bf16_tiles)();  // whether this machine multiplies bf16 matrices
  void (*field_forward)(const FieldArgs&);
  void (*field_backward)(const FieldArgs&);
  int64_t (*field_workspace)(const FieldArgs&);
  void (*place_samples)(const PlaceArgs&);
  void (*place_backward)(const PlaceArgs&);
  void (*encode_directions)(const DirectionArgs&);
  void (*encode_directions_backward)(const DirectionArgs&);
  void (*composite)(const CompositeArgs&);
  void (*composite_backward)(const CompositeArgs&);
  void (*distortion)(const DistortionArgs&);
  void (*distortion_backward)(const DistortionArgs&);
};

}  // namespace recon
