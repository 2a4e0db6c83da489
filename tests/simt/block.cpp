#include "block.h"

#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <exception>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "fiber.h"
#include "shared.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace recon::simt {
namespace {

constexpr int kMostThreads = 1024;

struct Thread {
  Fiber fiber;
  int rank = 0;
  uint3 index{};
  enum { kReady, kWaiting, kReturned } state = kReady;
  Word word;
  uint64_t answer = 0;
  // For each lane of the warp, how many of its ordering meetings this thread knows to lie behind.
  uint32_t knows[kLanes] = {};
};

std::vector<std::unique_ptr<Thread>> threads;  // those of earlier blocks are used again
int live = 0;                                  // how many of them this block has
Thread* self = nullptr;
uint32_t epoch = 0;
const void* running_kernel = nullptr;
const std::function<void()>* running_body = nullptr;
std::exception_ptr failure;  // what a thread threw
Order order = Order::kForward;
std::mt19937 random_order;

std::string name_of_kernel() {
#ifdef __SANITIZE_ADDRESS__
  char name[1024] = "";
  const char* after_first_byte = static_cast<const char*>(running_kernel) + 1;  // it is taken for a return address
  __sanitizer_symbolize_pc(const_cast<char*>(after_first_byte), "%f", name, sizeof(name));
  return name;
#else
  return "?";
#endif
}

std::string text_of(uint3 at) {
  return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ")";
}

bool same_place(Place a, Place b) { return a.line == b.line && strcmp(a.file, b.file) == 0; }
bool same_word(const Word& a, const Word& b) { return strcmp(a.name, b.name) == 0 && same_place(a.place, b.place); }

std::string text_of(const Word& word) {
  std::string text = std::string(word.name) + " at " + text_of(word.place);
  if (word.mask != 0) {
    char mask[32];
    snprintf(mask, sizeof(mask), ", mask %08x", word.mask);
    text += mask;
  }
  return text;
}

// Everybody who waits, grouped by what for.
std::string who_waits() {
  std::map<std::string, std::vector<int>> groups;
  for (int i = 0; i < live; ++i) {
    const Thread& t = *threads[size_t(i)];
    groups[t.state == Thread::kReturned ? "returned" : t.state == Thread::kReady ? "runs" : text_of(t.word)].push_back(i);
  }
  std::string text;
  for (const auto& [where, ranks] : groups) {
    text += "\n  " + where + ": " + std::to_string(ranks.size()) + " threads:";
    for (size_t i = 0; i < std::min<size_t>(ranks.size(), 8); ++i) text += " " + std::to_string(ranks[i]);
    if (ranks.size() > 8) text += " ...";
  }
  return text;
}

void wait_with(const Word& word) {
  self->word = word;
  self->state = Thread::kWaiting;
}

Thread* lane_of(int warp, int lane) {
  const int rank = warp * kLanes + lane;
  return rank < live && threads[size_t(rank)]->state != Thread::kReturned ? threads[size_t(rank)].get() : nullptr;
}

// The lanes of `mask` that have not returned, if all of them wait with it; else nothing.
std::vector<Thread*> gathered(int warp, unsigned mask) {
  std::vector<Thread*> met;
  for (int i = 0; i < kLanes; ++i) {
    Thread* t = mask >> i & 1u ? lane_of(warp, i) : nullptr;
    if (t == nullptr) continue;
    if (t->state != Thread::kWaiting || t->word.mask != mask) return {};
    met.push_back(t);
  }
  return met;
}

// Which conclusion belongs to a waiting word: all that say the same word bring the same.
Conclude conclusions[kMostThreads];

void conclude_warp(const std::vector<Thread*>& met) {
  Meeting meeting{};
  for (const Thread* t : met) {
    if (!same_word(t->word, met[0]->word)) fail("lanes of one mask say different words:" + who_waits());
    meeting.said[t->rank % kLanes] = &t->word;
  }
  conclusions[met[0]->rank](meeting);
  for (Thread* t : met) {
    t->answer = meeting.answer[t->rank % kLanes];
    t->state = Thread::kReady;
  }
}

// After a thread returned, those who waited for it may be complete.
void conclude_without(const Thread& gone) {
  const int warp = gone.rank / kLanes;
  for (int i = 0; i < kLanes; ++i) {
    const Thread* t = lane_of(warp, i);
    if (t == nullptr || t->state != Thread::kWaiting || t->word.mask == 0) continue;
    const std::vector<Thread*> met = gathered(warp, t->word.mask);
    if (!met.empty()) conclude_warp(met);
  }
}

// Everybody left waits for the block: they meet. Whether there was anybody.
bool conclude_block() {
  const Thread* first = nullptr;
  int count = 0;
  for (int i = 0; i < live; ++i) {
    const Thread& t = *threads[size_t(i)];
    if (t.state == Thread::kReturned) continue;
    if (t.state != Thread::kWaiting || t.word.mask != 0) return false;
    if (first == nullptr) first = &t;
    if (!same_word(t.word, first->word)) fail("a barrier of the block in divergent code:" + who_waits());
    count += t.word.value != 0;
  }
  if (first == nullptr) return false;
  ++epoch;
  for (int i = 0; i < live; ++i) {
    Thread& t = *threads[size_t(i)];
    if (t.state == Thread::kReturned) continue;
    t.answer = uint64_t(count);
    t.state = Thread::kReady;
  }
  return true;
}

void run_thread(void*) {
  try {
    (*running_body)();
  } catch (...) {  // nothing may leave the fiber
    failure = std::current_exception();
  }
}

void prepare_block(dim3 block) {
  live = int(block.x * block.y * block.z);
  while (int(threads.size()) < live) threads.push_back(std::make_unique<Thread>());
  for (int i = 0; i < live; ++i) {
    Thread& t = *threads[size_t(i)];
    t.rank = i;
    t.index = {unsigned(i) % block.x, unsigned(i) / block.x % block.y, unsigned(i) / (block.x * block.y)};
    t.state = Thread::kReady;
    std::fill(t.knows, t.knows + kLanes, 0u);
    t.knows[i % kLanes] = 1;
    t.fiber.start(&run_thread, &t);
  }
  epoch = 1;
}

void arrange(std::vector<int>& numbers) {
  std::iota(numbers.begin(), numbers.end(), 0);
  if (order == Order::kReverse) std::reverse(numbers.begin(), numbers.end());
  if (order == Order::kShuffled) std::shuffle(numbers.begin(), numbers.end(), random_order);
}

void run_block(dim3 block) {
  prepare_block(block);
  std::vector<int> turn(static_cast<size_t>(live));
  for (bool any = true; any;) {
    any = false;
    arrange(turn);
    for (const int rank : turn) {
      Thread& t = *threads[size_t(rank)];
      if (t.state != Thread::kReady) continue;
      any = true;
      self = &t;
      threadIdx = t.index;
      const bool goes_on = t.fiber.resume();
      if (failure != nullptr) std::rethrow_exception(std::exchange(failure, nullptr));  // the other fibers are left as they are
      if (goes_on) continue;
      t.state = Thread::kReturned;
      conclude_without(t);
    }
    if (any) continue;
    self = nullptr;
    any = conclude_block();
  }
  for (int i = 0; i < live; ++i)
    if (threads[size_t(i)]->state != Thread::kReturned) fail("threads wait for others that never come:" + who_waits());
}

}  // namespace

uint64_t meet_warp(const Word& word, Conclude conclude) {
  if ((word.mask >> lane() & 1u) == 0) fail(text_of(word) + ": the mask does not name the lane that says it");
  conclusions[self->rank] = conclude;
  wait_with(word);
  Thread* me = self;
  const std::vector<Thread*> met = gathered(me->rank / kLanes, word.mask);
  if (!met.empty()) conclude_warp(met);
  if (me->state == Thread::kWaiting) me->fiber.pause();
  return me->answer;
}

int meet_block(const Word& word) {
  wait_with(word);
  Thread* me = self;
  me->fiber.pause();
  return int(me->answer);
}

void order_warp_memory(unsigned mask) {
  const int warp = self->rank / kLanes;
  const std::vector<Thread*> met = gathered(warp, mask);
  uint32_t all[kLanes] = {};
  for (const Thread* t : met)
    for (int i = 0; i < kLanes; ++i) all[i] = std::max(all[i], t->knows[i]);
  for (Thread* t : met) {
    std::copy(all, all + kLanes, t->knows);
    ++t->knows[t->rank % kLanes];
  }
}

void set_order(Order wanted, unsigned seed) {
  order = wanted;
  random_order.seed(seed);
}

void recon_set_order(int wanted, unsigned seed) { set_order(Order(wanted), seed); }

void run_grid(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body) {
  struct Running {
    ~Running() { running_kernel = nullptr, self = nullptr; }
  } running;
  running_kernel = kernel, running_body = &body;
  gridDim = grid, blockDim = block;
  const size_t count = size_t(block.x) * block.y * block.z;
  if (count == 0 || count > kMostThreads || block.z > 64) fail("a block of " + std::to_string(count) + " threads");
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) fail("more blocks than a grid may have");
  std::vector<int> turn(size_t(grid.x) * grid.y * grid.z);
  arrange(turn);
  for (const int number : turn) {
    const unsigned i = unsigned(number);
    blockIdx = {i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y)};
    new_shared_memory(shared_bytes);
    run_block(block);
  }
  end_shared_memory();
}

int thread_rank() { return self->rank; }
uint32_t block_epoch() { return epoch; }
uint32_t meetings_of_this_thread() { return self->knows[self->rank % kLanes]; }
bool has_met(int other, uint32_t meetings) {
  return other / kLanes == self->rank / kLanes && self->knows[other % kLanes] >= meetings;
}

std::string text_of(Place place) {
  const char* name = strrchr(place.file, '/');
  return std::string(name == nullptr ? place.file : name + 1) + ":" + std::to_string(place.line);
}

void fail(const std::string& what) {
  std::string text = "simt: " + what;
  if (running_kernel != nullptr) text += "\n  in " + name_of_kernel() + ", block " + text_of(blockIdx);
  if (self != nullptr) text += ", thread " + text_of(self->index);
  throw KernelFailure(text);
}

}  // namespace recon::simt
