// Arrays cut one after another from a workspace. With a null base nothing is cut, only counted.
#pragma once
#include "simt.h"

namespace recon {

class Shelf {
 public:
  explicit Shelf(void* base) : base_(reinterpret_cast<uintptr_t>(base)) {}
  template <class T>
  T* take(int64_t count) {
    T* const at = static_cast<T*>(rest());
    const size_t bytes = size_t(count > 0 ? count : 1) * sizeof(T);
    if (base_ != 0) simt::guard(at, bytes);
    used_ += bytes + simt::kGuardBytes;
    return at;
  }
  // What nobody has taken.
  void* rest() {
    used_ = (used_ + 255) / 256 * 256;
    return reinterpret_cast<void*>(base_ + used_);
  }
  size_t used() const { return used_; }

 private:
  uintptr_t base_;
  size_t used_ = 0;
};

}  // namespace recon
