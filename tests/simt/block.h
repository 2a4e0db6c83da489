// Runs the threads of a grid, one fiber each, block after block, and brings them together where they meet.
//
// What CUDA leaves undefined ends the launch with a `KernelFailure`: a word of a warp or block that not everybody named comes to, that is
// called from two places at once, or by a lane that its mask does not name. Threads that returned take part in nothing.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <stdexcept>
#include <string>

#include "cuda_words.h"

namespace recon::simt {

constexpr int kLanes = 32;

struct KernelFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Where a kernel says something; as the default of a last argument, the line of the caller.
struct Place {
  const char* file;
  int line;
  static constexpr Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

// What a thread says when it waits for others.
struct Word {
  const char* name = "";
  Place place{};
  unsigned mask = 0;  // lanes; 0 for a word of the whole block
  uint64_t value = 0;
  int argument = 0, width = kLanes;
};

// The lanes of one warp that met: `said[i]` is null where lane i does not take part. Writes every taker's answer.
struct Meeting {
  const Word* said[kLanes];
  uint64_t answer[kLanes];
};
using Conclude = void (*)(Meeting&);

// Waits for all lanes of the mask, lets `conclude` find the answers, and returns this lane's.
uint64_t meet_warp(const Word& word, Conclude conclude);
// Waits for all threads of the block; returns how many of them said a value other than zero.
int meet_block(const Word& word);
// Whether memory is ordered for the lanes of the mask, as after __syncwarp: asked for by a meeting.
void order_warp_memory(unsigned mask);

// In which order threads and blocks come: a kernel's result must not depend on it.
enum class Order { kForward, kReverse, kShuffled };
void set_order(Order order, unsigned seed);
extern "C" void recon_set_order(int order, unsigned seed);  // for Python

void run_grid(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body);

// --- of the thread that runs ------------------------------------------------------------------------------------------
int thread_rank();
inline int lane() { return thread_rank() % kLanes; }
inline int warp() { return thread_rank() / kLanes; }
inline int block_threads() { return int(blockDim.x * blockDim.y * blockDim.z); }
// Which stretch between two barriers of the block it is, and whether this thread has met `other` since `other` had met
// others `meetings` times.
uint32_t block_epoch();
uint32_t meetings_of_this_thread();
bool has_met(int other, uint32_t meetings);

// Throws a KernelFailure that says `what`, in which kernel, and who ran.
[[noreturn]] void fail(const std::string& what);
std::string text_of(Place place);

}  // namespace recon::simt
