// Whether there is a GPU, in words.
#include "cuda_device.h"

#include <cuda_runtime.h>

namespace recon {

CudaInfo cuda_info() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error == cudaErrorInsufficientDriver) return {0, "no NVIDIA driver, or one too old for this build"};
  if (error != cudaSuccess) return {0, cudaGetErrorString(error)};
  return {devices, devices == 0 ? "no CUDA device" : ""};
}

}  // namespace recon
