// The photometric loss on CUDA: what it is called with, beside what the CPU's takes.
#pragma once
#include <stddef.h>

#include "ops/photometric.h"

namespace recon {

// Bytes of device memory that it works in.
size_t cuda_photometric_bytes(int width, int height);
// All pointers are to device memory; `threads`, `scratch` and `partial` are not used.
void cuda_photometric(const PhotometricArgs& args, void* workspace, uintptr_t stream);

}  // namespace recon
