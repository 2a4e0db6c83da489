// A function with a stack of its own, which it can leave in the middle and come back to.
#pragma once
#include <stddef.h>

namespace recon::simt {

class Fiber {
 public:
  Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  // `body(argument)` runs from the next resume on.
  void start(void (*body)(void*), void* argument);
  // From outside: runs the body until it pauses or returns. Whether it is still to be resumed.
  bool resume();
  // From inside: back to whoever resumed.
  void pause();

 private:
  static void enter();
  void leave(bool for_good);

  static constexpr size_t kStackBytes = size_t(256) << 10;
  char* stack_;
  void *inside_ = nullptr, *outside_ = nullptr;  // where each side's stack stands while the other runs
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  bool done_ = true;
  // What AddressSanitizer wants to know of the two stacks.
  void *fake_inside_ = nullptr, *fake_outside_ = nullptr;
  const void* outside_bottom_ = nullptr;
  size_t outside_bytes_ = 0;
};

}  // namespace recon::simt
