// Whether there is a GPU that this build can use.
#pragma once
#include <string>

namespace recon {

struct CudaInfo {
  int devices;
  std::string reason;  // why there is none; empty when there is one
};
CudaInfo cuda_info();

}  // namespace recon
