// What the CUDA build offers the bindings. Pointers are device pointers, `stream` a cudaStream_t.
#pragma once
#include <stdint.h>

#include <string>

#include "ops/splat.h"

namespace recon {

struct CudaInfo {
  int devices;
  std::string reason;  // why there is none; empty when there is one
};
CudaInfo cuda_info();

// Stage 1 of splatting for every Gaussian: its record, and whether it is in front of the camera and opaque enough.
// Throws std::runtime_error with CUDA's words when the launch fails.
void cuda_splat_project(const Splat& s, float* records, bool* seen, uintptr_t stream);

}  // namespace recon
